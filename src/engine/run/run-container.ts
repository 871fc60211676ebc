import { hostname as machineName } from 'node:os'
import { TsboxError } from '../../base/error.js'
import { type ContainerRecord, isContainerName, randomName } from '../../container/record.js'
import type { ContainerMount, ContainerSpec } from '../../rootless/container-spec.js'
import type { OverlaySpec, StepExit } from '../../rootless/plan.js'
import { selfIdentity } from '../../util/identity.js'
import { makeDir } from '../../util/make-dir.js'
import { randomHex } from '../../util/random.js'
import type { RunOutcome, RunRequest } from '../api.js'
import { openImage, type StoredImage } from '../images/stored-image.js'
import type { NodeLayers } from '../layers/node-layers.js'
import type { Workshop } from '../layers/workshop.js'
import { type ResolvedProcess, resolveProcess } from './container-config.js'
import { makePlan } from './container-plan.js'
import { EarlySignals, Interrupted } from './early-signals.js'
import { hostFiles } from './host-files.js'
import type { Isolation } from './isolation/resolve.js'
import { processSpec, startFailure, USER_FILES, userOf } from './process.js'
import { joinStep, rawTerminal, terminalSize } from './terminal.js'
import { parseVolume, VolumeMaker, type VolumeSpec } from './volumes.js'

/** Everything one container is made of, before it runs. */
interface Made {
  record: ContainerRecord
  dir: string
  hostname: string
  process: ResolvedProcess
  isolation: Isolation | undefined
  mounts: ContainerMount[]
}

/** Runs containers in the foreground. */
export class ContainerRunner {
  readonly #shop: Workshop
  readonly #layers: NodeLayers
  readonly #env: Readonly<Record<string, string | undefined>>

  constructor(shop: Workshop, layers: NodeLayers, env: Readonly<Record<string, string | undefined>>) {
    this.#shop = shop
    this.#layers = layers
    this.#env = env
  }

  /**
   * Creates a container, runs it to its end, and removes it if asked.
   *
   * @throws TsboxError with Docker's exit codes where it can't be made or started
   */
  async run(request: RunRequest, image: StoredImage): Promise<RunOutcome> {
    if (request.ulimits?.length) (await import('./limits.js')).checkLimits(request.ulimits)
    const early = new EarlySignals()
    try {
      return { exitCode: await this.#live(request, image, early) }
    } catch (err) {
      if (err instanceof Interrupted) return { exitCode: err.exitCode }
      throw err
    } finally {
      early.release()
    }
  }

  async #live(request: RunRequest, image: StoredImage, early: EarlySignals): Promise<number> {
    const { store, lease } = this.#shop
    const made = await this.#make(request, image)
    try {
      const exitCode = await this.#execute(request, image, made, early)
      if (!request.remove)
        store.containers.put(
          { ...made.record, exitCode, finished: isoNow(), runner: undefined } as ContainerRecord,
          lease,
        )
      return exitCode
    } catch (err) {
      // A container that never ran is not left behind; one that can't be started is, as docker does without --rm.
      if (!(err instanceof TsboxError && [126, 127].includes(err.exitCode)) || request.remove) await this.#remove(made)
      else
        store.containers.put(
          { ...made.record, exitCode: err.exitCode, finished: isoNow(), runner: undefined } as ContainerRecord,
          lease,
        )
      throw err
    } finally {
      if (request.remove) await this.#remove(made)
    }
  }

  async #make(request: RunRequest, image: StoredImage): Promise<Made> {
    const { store, lease } = this.#shop
    const id = randomHex(32)
    const machines = request.network === 'host' || request.isolation?.uts === 'host'
    const hostname = request.hostname ?? (machines ? machineName() : id.slice(0, 12))
    const process = resolveProcess(image.config.config ?? {}, request, hostname, this.#env)
    const isolation = await this.#isolation(request)
    const volumes = this.#volumes(request, image, isolation)
    const fields: Omit<ContainerRecord, 'name'> = {
      id,
      image: request.image,
      manifest: image.manifestDigest,
      layers: image.layers,
      mode: await this.#shop.mode(),
      args: process.args,
      volumes: volumes.filter((v) => v.kind === 'named').map((v) => v.source),
      created: isoNow(),
      runner: selfIdentity(),
      autoRemove: request.remove,
    }
    const dir = store.containers.dir(id)
    const record = store.containers.create<ContainerRecord>(
      (others) => ({ ...fields, name: chooseName(request.name, others) }),
      lease,
    )
    const made: Made = { record, dir, hostname, process, isolation, mounts: [...(isolation?.mounts ?? [])] }
    try {
      for (const sub of ['fs', 'work', 'stub']) makeDir(`${dir}/${sub}`, 0o755)
      const maker = new VolumeMaker(this.#shop, this.#layers, image.layers, dir)
      for (const v of volumes) made.mounts.push(await maker.mount(v))
    } catch (err) {
      await this.#remove(made)
      throw err
    }
    return made
  }

  /** What reads it is loaded where something is asked for only. */
  async #isolation(request: RunRequest): Promise<Isolation | undefined> {
    if (!request.isolation) return undefined
    const { resolveIsolation } = await import('./isolation/resolve.js')
    return await resolveIsolation(request, request.isolation, globalThis.process.cwd(), await this.#shop.mode())
  }

  /** Images that are mounted: the stack of each, and what binds a part of it to its place. */
  async #images(isolation: Isolation | undefined): Promise<{ trees: OverlaySpec[]; mounts: ContainerMount[] }> {
    const trees: OverlaySpec[] = []
    const mounts: ContainerMount[] = []
    for (const { reference, sub, target } of isolation?.images ?? []) {
      const { layers } = openImage(this.#shop.store, this.#shop.lease, reference)
      const tree = trees.push({ layers: await Promise.all(layers.map((l) => this.#layers.snapshot(l))) }) - 1
      mounts.push({ op: 'bind', source: { tree }, sub, target, readonly: true })
    }
    return { trees, mounts }
  }

  /** Those asked for, and a nameless one for each VOLUME of the image that none of them covers. */
  #volumes(request: RunRequest, image: StoredImage, isolation: Isolation | undefined): VolumeSpec[] {
    const given = request.volumes.map((v) => parseVolume(v, globalThis.process.cwd()))
    const asked = [...given, ...(isolation?.volumes ?? [])]
    const targets = [...asked, ...(isolation?.images ?? [])].map((v) => v.target)
    const taken = new Set([...targets, ...(isolation?.mounts ?? []).map((m) => m.target)])
    for (const target of taken)
      if (targets.filter((t) => t === target).length > 1)
        throw new TsboxError('E_MOUNT', `duplicate mount point: "${target}"`, { exitCode: 125 })
    const own = Object.keys(image.config.config?.Volumes ?? {}).filter((v) => v.startsWith('/') && v !== '/')
    return [...asked, ...own.map((v) => parseVolume(v, '/')).filter((v) => !taken.has(v.target))]
  }

  async #execute(request: RunRequest, image: StoredImage, made: Made, early: EarlySignals): Promise<number> {
    const [agent, layers] = await Promise.all([
      this.#shop.agent(),
      Promise.all(image.layers.map((l) => this.#layers.snapshot(l))),
    ])
    early.check()
    const { isolation } = made
    const images = await this.#images(isolation)
    const container: ContainerSpec = {
      layers,
      upper: `${made.dir}/fs`,
      work: `${made.dir}/work`,
      stub: `${made.dir}/stub`,
      mounts: [...made.mounts, ...images.mounts],
      network: request.network,
      hostname: made.hostname,
      ...hostFiles({ hostname: made.hostname, network: request.network, ...namesOf(request) }),
      shmSizeBytes: request.shmSizeBytes,
      cwd: { path: made.process.cwd, uid: 0, gid: 0 },
      read: USER_FILES,
      ...isolation?.container,
    }
    const plan = makePlan(container, images.trees)
    const mode = request.tty ? 'tty' : 'inherit'
    // Before the helper reads from it: what was typed meanwhile would be echoed by both terminals.
    const restore = request.tty && request.interactive ? rawTerminal() : () => {}
    const stdio = { mode, stdin: request.interactive } as const
    const step = await agent.startStep(plan, { stdio, signal: request.signal }).catch((err: unknown) => {
      restore()
      throw err
    })
    let leave = () => {}
    try {
      early.check()
      const rlimits = request.ulimits?.map(({ name: resource, soft, hard }) => ({ resource, soft, hard }))
      const size = request.tty ? terminalSize() : undefined
      await step.exec(
        processSpec(
          { ...made.process, ...isolation?.process, rlimits, ...(size ? { size } : {}) },
          userOf(step, made.process.user, request.isolation?.groupAdd),
          agent.mode,
        ),
      )
      leave = joinStep(step, request.tty)
      for (const missed of early.release()) step.signal(missed)
      return exitCodeOf(await step.exit)
    } catch (err) {
      await step.kill()
      throw startFailure(err, made.process.args) ?? err
    } finally {
      restore()
      leave()
    }
  }

  async #remove(made: Made): Promise<void> {
    const { store, lease } = this.#shop
    const trash = lease.tempPath('container')
    try {
      store.containers.retire(made.record.id, trash)
    } catch {
      return
    }
    await (await this.#shop.agent()).remove([trash])
  }
}

/** @throws TsboxError E_CONTAINER_NAME, E_CONTAINER_NAME_TAKEN */
function chooseName(wanted: string | undefined, others: readonly ContainerRecord[]): string {
  const taken = new Map(others.map((c) => [c.name, c.id]))
  if (wanted === undefined) {
    let name = randomName(Math.random)
    for (let n = 1; taken.has(name); n++) name = `${randomName(Math.random)}${n}`
    return name
  }
  if (!isContainerName(wanted))
    throw new TsboxError(
      'E_CONTAINER_NAME',
      `invalid container name (${wanted}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed`,
      { exitCode: 125 },
    )
  const other = taken.get(wanted)
  if (other === undefined) return wanted
  throw new TsboxError(
    'E_CONTAINER_NAME_TAKEN',
    `the container name "${wanted}" is already in use by container "${other.slice(0, 12)}"`,
    { exitCode: 125, hint: `tsbox rm ${wanted}` },
  )
}

/** What a request adds to the host's names. */
function namesOf({ isolation }: RunRequest): Pick<Parameters<typeof hostFiles>[0], 'extraHosts' | 'resolver'> {
  const { extraHosts = [], dns: servers = [], dnsSearch: search = [], dnsOptions: options = [] } = isolation ?? {}
  const asked = servers.length || search.length || options.length
  return { extraHosts, resolver: asked ? { servers, search, options } : undefined }
}

function exitCodeOf(exit: StepExit): number {
  return exit.code ?? 128 + (exit.signal ?? 0)
}

function isoNow(): string {
  return new Date().toISOString()
}
