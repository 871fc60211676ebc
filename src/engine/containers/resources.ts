import { TsboxError } from '../../base/error.js'
import type { ContainerRecord } from '../../container/record.js'
import type { Limits } from '../../rootless/cgroup/limits.js'
import { findManager } from '../../rootless/cgroup/manager.js'
import type { Store } from '../../store/store.js'
import type { ContainerLoad } from '../api.js'
import { decodeParts, encodeParts } from '../run/container-parts.js'
import { cgroupOfContainer } from '../run/paused.js'
import type { ResourceRequest } from '../run/resources/request.js'
import { type Resources, resolveResources } from '../run/resources/resolve.js'
import { settingsOf } from '../run/start-container.js'
import { initOf } from './inspect.js'
import { containerState } from './state.js'
import { type Sample, sampleOf } from './usage.js'

/** Between two looks at what containers use. */
const INTERVAL_MS = 1000

/** What limits and measures stand on. */
export interface ResourceDeps {
  store: Store
  env: Readonly<Record<string, string | undefined>>
}

/**
 * Changes limits of a container: those of one that runs at once, those of another from its next start on.
 *
 * @throws TsboxError E_LIMIT, E_CGROUP
 */
export async function updateResources(
  { store, env }: ResourceDeps,
  record: ContainerRecord,
  request: ResourceRequest,
  warn: (message: string) => void,
): Promise<ContainerRecord> {
  const settings = settingsOf(record)
  const parts = decodeParts(settings.parts)
  const before = parts.resources ?? { limits: {} }
  const asked = { ...request, cgroupParent: before.parent }
  const changes = await resolveResources(asked, env, warn, before.limits)
  const after: Resources = {
    ...before,
    ...defined(changes!),
    limits: { ...before.limits, ...defined(changes!.limits) },
  }
  const folder = store.containers.dir(record.id)
  if (containerState(record, folder).status === 'running')
    await updateRunning(folder, record, changes!, after.limits, env)
  return { ...record, settings: { ...settings, parts: encodeParts({ ...parts, resources: after }) } }
}

function defined<T extends object>(value: T): Partial<T> {
  return Object.fromEntries(Object.entries(value).filter(([, v]) => v !== undefined)) as Partial<T>
}

async function updateRunning(
  folder: string,
  record: ContainerRecord,
  changes: Resources,
  limits: Limits,
  env: ResourceDeps['env'],
): Promise<void> {
  const cgroup = cgroupOfContainer(folder)
  if (!cgroup || changes.processes !== undefined || changes.processors !== undefined)
    throw new TsboxError('E_CGROUP', `update: it runs, and no cgroup can change these limits: "${record.name}"`, {
      hint: `tsbox stop ${record.name}, update it, and start it again`,
    })
  const parent = cgroup.unit === undefined ? cgroup.dir.slice(0, cgroup.dir.lastIndexOf('/')) : undefined
  const manager = await findManager({ env, parent, systemd: true })
  if (!manager) throw new TsboxError('E_CGROUP', `update: nobody makes cgroups any more: "${record.name}"`)
  try {
    await manager.update(cgroup, limits)
  } finally {
    manager.close()
  }
}

/**
 * What containers use, again and again: what is yielded first is from the first look, in which nothing was used yet.
 *
 * @param records of the moment: asked before each look
 */
export async function* watchUsage(
  { store }: ResourceDeps,
  records: () => readonly ContainerRecord[],
): AsyncGenerator<ContainerLoad[]> {
  let before = new Map<string, Sample>()
  for (;;) {
    const now = new Map<string, Sample>()
    const list = records()
    for (const record of list) {
      const sample = sampleRecord(store, record)
      if (sample) now.set(record.id, sample)
    }
    yield list.map((record) => usageOf(record, before.get(record.id), now.get(record.id)))
    before = now
    await new Promise((done) => setTimeout(done, INTERVAL_MS))
  }
}

function sampleRecord(store: Store, record: ContainerRecord): Sample | undefined {
  const folder = store.containers.dir(record.id)
  if (containerState(record, folder).status !== 'running') return undefined
  const init = initOf(record)
  if (init === undefined) return undefined
  return sampleOf(init, cgroupOfContainer(folder), record.settings?.network === 'none')
}

const NOTHING = {
  memoryBytes: 0,
  memoryLimitBytes: 0,
  receivedBytes: 0,
  sentBytes: 0,
  readBytes: 0,
  writtenBytes: 0,
  processes: 0,
}

function usageOf({ id, name }: ContainerRecord, before: Sample | undefined, now: Sample | undefined): ContainerLoad {
  if (!now) return { id, name, cpuPercent: 0, ...NOTHING }
  const { at, cpuMicroseconds, ...rest } = now
  const elapsed = before ? (at - before.at) * 1000 : 0
  const used = before ? Math.max(0, cpuMicroseconds - before.cpuMicroseconds) : 0
  return { id, name, cpuPercent: elapsed > 0 ? (used / elapsed) * 100 : 0, ...rest }
}
