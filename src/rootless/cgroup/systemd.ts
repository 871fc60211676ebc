import { TsboxError } from '../../base/error.js'
import { DBusConnection, DBusError, socketsOf } from '../../util/dbus/connection.js'
import type { DBusValue, Variant } from '../../util/dbus/marshal.js'
import {
  type Controller,
  cpuMask,
  cpuWeight,
  ioWeight,
  type Limits,
  parseCpuList,
  swapBytes,
  tasksMax,
} from './limits.js'
import type { CgroupManager, OpenCgroup, PlacedCgroup } from './manager.js'
import { type CgroupSite, cgroupOf, controllersAt } from './site.js'

const SYSTEMD = 'org.freedesktop.systemd1'
const MANAGER = { destination: SYSTEMD, path: '/org/freedesktop/systemd1', interface: `${SYSTEMD}.Manager` }
/** systemd's number for no limit. */
const INFINITY = 0xffff_ffff_ffff_ffffn
const SECOND_US = 1_000_000
/** systemd rounds shares of a processor up to this many microseconds a second. */
const QUOTA_GRAIN_US = 10_000
/** A unit's processes are in its cgroup when its job is done, which takes systemd some milliseconds. */
const PLACED_WITHIN_MS = 10_000

type Property = [name: string, value: Variant]

/**
 * The user's own systemd, on its bus or on its private socket.
 *
 * @param slice into which units go; undefined is the manager's own choice
 * @returns undefined where none answers
 */
export async function connectSystemd(
  env: Readonly<Record<string, string | undefined>>,
  site: CgroupSite | undefined,
  slice?: string,
): Promise<CgroupManager | undefined> {
  const uid = process.getuid?.()
  if (!site || uid === undefined) return undefined
  for (const { path, bus } of sockets(env, uid)) {
    let connection: DBusConnection | undefined
    try {
      connection = await DBusConnection.connect(path, bus, uid)
      const group = await controlGroup(connection)
      return new SystemdManager(connection, controllersAt(`${site.mount}${group}`), slice)
    } catch {
      // Nobody there, or somebody else: the next one.
      connection?.close()
    }
  }
  return undefined
}

function sockets(env: Readonly<Record<string, string | undefined>>, uid: number): { path: string; bus: boolean }[] {
  const runtime = env.XDG_RUNTIME_DIR ?? `/run/user/${uid}`
  const named = env.DBUS_SESSION_BUS_ADDRESS ? socketsOf(env.DBUS_SESSION_BUS_ADDRESS) : []
  return [
    ...named.map((path) => ({ path, bus: true })),
    { path: `${runtime}/bus`, bus: true },
    { path: `${runtime}/systemd/private`, bus: false },
  ]
}

async function controlGroup(connection: DBusConnection): Promise<string> {
  const [value] = await connection.call({
    ...MANAGER,
    interface: 'org.freedesktop.DBus.Properties',
    member: 'Get',
    signature: 'ss',
    args: [MANAGER.interface, 'ControlGroup'],
  })
  return (value as Variant).value as string
}

/** Scopes of the user's systemd. */
class SystemdManager implements CgroupManager {
  readonly kind = 'systemd'
  readonly controllers: ReadonlySet<Controller>
  readonly #connection: DBusConnection
  readonly #slice: string | undefined

  constructor(connection: DBusConnection, controllers: ReadonlySet<Controller>, slice: string | undefined) {
    this.#connection = connection
    this.controllers = controllers
    this.#slice = slice
  }

  async open(id: string, limits: Limits): Promise<OpenCgroup> {
    return {
      // systemd takes a scope away when it is empty.
      leftover: undefined,
      // One that has just ended may still be known to systemd.
      enter: (pid) => this.#start(`tsbox-${id.slice(0, 24)}-${pid}.scope`, pid, limits),
      abandon() {},
    }
  }

  async update({ unit = '' }: PlacedCgroup, limits: Limits): Promise<void> {
    const args = [unit, true, limitProperties(limits) as DBusValue]
    await this.#ask('set limits', unit, { member: 'SetUnitProperties', signature: 'sba(sv)', args })
  }

  close(): void {
    this.#connection.close()
  }

  async #start(unit: string, pid: number, limits: Limits): Promise<PlacedCgroup> {
    const properties: Property[] = [
      ['Description', text(`container ${unit.slice(6, 18)} of tsbox`)],
      ['PIDs', { signature: 'au', value: [pid] }],
      ['Delegate', { signature: 'b', value: true }],
      ['CollectMode', text('inactive-or-failed')],
      ['DefaultDependencies', { signature: 'b', value: false }],
      ...(this.#slice === undefined ? [] : ([['Slice', text(this.#slice)]] as Property[])),
      ...limitProperties(limits),
    ]
    const args: DBusValue[] = [unit, 'fail', properties as DBusValue, []]
    await this.#ask('start scope', unit, { member: 'StartTransientUnit', signature: 'ssa(sv)a(sa(sv))', args })
    return { dir: await placed(pid, unit), unit }
  }

  async #ask(
    what: string,
    unit: string,
    call: { member: string; signature: string; args: readonly DBusValue[] },
  ): Promise<void> {
    try {
      await this.#connection.call({ ...MANAGER, ...call })
    } catch (err) {
      const why = err instanceof DBusError ? `${err.errorName}: ${err.message}` : (err as Error).message
      throw new TsboxError('E_CGROUP', `${what}: systemd: ${why}: "${unit}"`, {
        exitCode: 125,
        cause: err,
        hint: 'journalctl --user -b tells more',
      })
    }
  }
}

/** Waits until systemd has moved the process. */
async function placed(pid: number, unit: string): Promise<string> {
  for (const start = performance.now(); performance.now() - start < PLACED_WITHIN_MS; ) {
    const dir = cgroupOf(pid)
    if (dir?.endsWith(`/${unit}`)) return dir
    await new Promise((done) => setTimeout(done, 2))
  }
  throw new TsboxError('E_CGROUP', `start scope: systemd did not move the container into it: "${unit}"`, {
    exitCode: 125,
    hint: `systemctl --user status ${unit}`,
  })
}

const text = (value: string): Variant => ({ signature: 's', value })
const number = (value: number | bigint | 'max'): Variant => ({
  signature: 't',
  value: value === 'max' ? INFINITY : BigInt(value),
})

/** Limits as properties of a unit. @see systemd.resource-control(5) */
export function limitProperties(limits: Limits): Property[] {
  const out: Property[] = []
  const { memoryBytes, memoryReservationBytes, cpuQuotaUs, cpuPeriodUs, cpuShares, pids, blkioWeight } = limits
  const swap = swapBytes(limits)
  if (memoryBytes !== undefined) out.push(['MemoryMax', number(memoryBytes)])
  if (swap !== undefined) out.push(['MemorySwapMax', number(swap)])
  if (memoryReservationBytes !== undefined) out.push(['MemoryLow', number(memoryReservationBytes)])
  if (cpuQuotaUs !== undefined) {
    const perSecond = (cpuQuotaUs / (cpuPeriodUs ?? 100_000)) * SECOND_US
    out.push(['CPUQuotaPerSecUSec', number(Math.ceil(perSecond / QUOTA_GRAIN_US) * QUOTA_GRAIN_US)])
  }
  if (cpuPeriodUs !== undefined) out.push(['CPUQuotaPeriodUSec', number(cpuPeriodUs)])
  if (cpuShares !== undefined) out.push(['CPUWeight', number(cpuWeight(cpuShares))])
  for (const [name, list] of [
    ['AllowedCPUs', limits.cpusetCpus],
    ['AllowedMemoryNodes', limits.cpusetMems],
  ] as const)
    if (list !== undefined) out.push([name, { signature: 'ay', value: cpuMask(parseCpuList(list) ?? []) }])
  if (pids !== undefined) out.push(['TasksMax', number(tasksMax(pids))])
  if (blkioWeight !== undefined) out.push(['IOWeight', number(ioWeight(blkioWeight))])
  return out
}
