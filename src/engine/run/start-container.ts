import { rmSync, writeFileSync } from 'node:fs'
import { TsboxError } from '../../base/error.js'
import type { ContainerRecord, ContainerSettings, ContainerVolume } from '../../container/record.js'
import type { ConsoleSpec, Step, StepOptions } from '../../rootless/agent.js'
import type { ContainerMount, ContainerSpec } from '../../rootless/container-spec.js'
import type { OverlaySpec } from '../../rootless/plan.js'
import { bootId, formatIdentity, startTimeOf } from '../../util/identity.js'
import { makeDir } from '../../util/make-dir.js'
import { openImage } from '../images/stored-image.js'
import type { NodeLayers } from '../layers/node-layers.js'
import type { Workshop } from '../layers/workshop.js'
import { decodeParts } from './container-parts.js'
import { makePlan } from './container-plan.js'
import { removeContainer } from './create-container.js'
import { hostFiles } from './host-files.js'
import type { Isolation } from './isolation/resolve.js'
import { noteLivingHelper } from './living-helper.js'
import { logSpec } from './log-options.js'
import { AMONG_OTHERS_FILE } from './paused.js'
import { type PlaceDeps, placeContainer } from './place.js'
import { IDS_FAKED, processSpec, SHARED_PIDS, startFailure, USER_FILES, userOf } from './process.js'

/** What starting stands on: a workshop in the container's own id mode. */
export interface StartDeps extends PlaceDeps {
  layers: NodeLayers
}

/** @throws TsboxError E_CONTAINER_OLD for a container whose record does not say how it is started */
export function settingsOf(record: ContainerRecord): ContainerSettings {
  if (record.settings) return record.settings
  throw new TsboxError('E_CONTAINER_OLD', `start container: an older tsbox made it: "${record.name}"`, {
    hint: `tsbox rm ${record.name}, and run it again`,
  })
}

/** Makes the container's namespaces and mounts; its process is not there yet. */
export async function prepareStep(
  deps: StartDeps,
  record: ContainerRecord,
  options: StepOptions & { check?: (() => void) | undefined },
): Promise<Step> {
  const settings = settingsOf(record)
  const { hostname, network } = settings
  const dir = deps.shop.store.containers.dir(record.id)
  const parts = decodeParts(settings.parts)
  const [place, layers] = await Promise.all([
    placeContainer(deps, record, parts),
    Promise.all(record.layers.map((l) => deps.layers.snapshot(l))),
  ])
  options.check?.()
  rmSync(`${dir}/stub`, { recursive: true, force: true })
  makeDir(`${dir}/stub`, 0o755)
  const { isolation, extraHosts, resolver, shmSizeBytes } = parts
  const images = await imagesOf(deps, isolation)
  const container: ContainerSpec = {
    layers,
    upper: `${dir}/fs`,
    work: `${dir}/work`,
    stub: `${dir}/stub`,
    mounts: [...(isolation?.mounts ?? []), ...settings.mounts.map(bindOf), ...images.mounts],
    network,
    hostname,
    ...hostFiles({ hostname, network, extraHosts, resolver }),
    shmSizeBytes,
    cwd: { path: settings.cwd, uid: 0, gid: 0 },
    read: USER_FILES,
    ...isolation?.container,
    ...place.container,
  }
  try {
    const step = await place.agent.startStep(makePlan(container, images.trees), { ...options, onHeld: place.onHeld })
    if (step.amongOthers) writeFileSync(`${dir}/${AMONG_OTHERS_FILE}`, '')
    return step
  } catch (err) {
    place.abandon()
    throw err
  } finally {
    place.close()
  }
}

function bindOf({ source, target, sub, readonly, ...options }: ContainerVolume): ContainerMount {
  const { recursive, follows, nosuid, nodev, noexec } = options
  return { op: 'bind', source: { path: source }, target, sub, readonly, recursive, follows, nosuid, nodev, noexec }
}

/** Images that are mounted: the stack of each, and what binds a part of it to its place. */
async function imagesOf(
  { shop, layers }: StartDeps,
  isolation: Isolation | undefined,
): Promise<{ trees: OverlaySpec[]; mounts: ContainerMount[] }> {
  const trees: OverlaySpec[] = []
  const mounts: ContainerMount[] = []
  for (const { reference, sub, target } of isolation?.images ?? []) {
    const image = openImage(shop.store, shop.lease, reference)
    const tree = trees.push({ layers: await Promise.all(image.layers.map((l) => layers.snapshot(l))) }) - 1
    mounts.push({ op: 'bind', source: { tree }, sub, target, readonly: true })
  }
  return { trees, mounts }
}

/** Starts the container's process in what {@link prepareStep} made. @throws TsboxError with exit codes 126, 127 */
export async function executeIn(
  shop: Workshop,
  step: Step,
  record: ContainerRecord,
  size: { columns: number; rows: number } | undefined,
): Promise<void> {
  const { env, cwd, user, parts } = settingsOf(record)
  const { isolation, rlimits, groupAdd } = decodeParts(parts)
  const fields = { args: record.args, env, cwd, ...isolation?.process, rlimits, ...(size ? { size } : {}) }
  const { mode } = await shop.agent()
  try {
    const process = processSpec(fields, userOf(step, user, groupAdd), mode, record.emulation)
    const { idsFaked } = await step.exec(process)
    if (idsFaked) shop.warn(IDS_FAKED)
    if (step.sharesPids) shop.warn(SHARED_PIDS)
  } catch (err) {
    await step.kill()
    throw startFailure(err, record.args) ?? err
  }
}

/** How a container is started. */
export interface StartOptions {
  /** First size of its terminal. */
  size?: { columns: number; rows: number } | undefined
  /** Joins this process's streams to it. */
  console?: ConsoleSpec | undefined
  /** Called when its streams can be joined, before there is a process. */
  joined?: ((dir: string) => Promise<void>) | undefined
  /** Called when all is read that takes time; throwing undoes what is half made. */
  check?: (() => void) | undefined
}

/**
 * Starts a container's process, with a monitor; that still ends with this process where it was not joined to the
 * streams.
 *
 * @returns the step, and the record as it is now
 * @throws TsboxError with exit codes 126, 127; nothing of it runs then
 */
export async function startContainer(
  deps: StartDeps,
  record: ContainerRecord,
  options: StartOptions,
): Promise<{ step: Step; record: ContainerRecord }> {
  const { store, lease } = deps.shop
  const settings = settingsOf(record)
  const dir = store.containers.dir(record.id)
  const stdio = { mode: settings.tty ? 'log-tty' : 'log', stdin: settings.openStdin } as const
  const step = await prepareStep(deps, record, { stdio, monitored: true, check: options.check })
  try {
    options.check?.()
    const pid = await step.monitor({
      folder: dir,
      inputOnce: settings.stdinOnce,
      log: logSpec(settings),
      console: options.console,
    })
    const running: ContainerRecord = {
      ...record,
      detached: true,
      runner: { pid, startTime: startTimeOf(pid) ?? 0, bootId: bootId() },
      started: new Date().toISOString(),
      exitCode: undefined,
      finished: undefined,
      error: undefined,
    }
    store.containers.put(running, lease)
    if (record.autoRemove)
      step.discardTo(store.place.path('tmp', `${formatIdentity(running.runner!)}-${record.id.slice(0, 16)}`))
    await options.joined?.(dir)
    await executeIn(deps.shop, step, running, options.size)
    return { step, record: running }
  } catch (err) {
    await step.kill()
    throw err
  }
}

/**
 * Starts a container that lives on without this process.
 *
 * @returns the record as it is now
 * @throws TsboxError with exit codes 126, 127; the container is kept then, unless it is to be removed when it ends
 */
export async function startDetached(
  deps: StartDeps,
  record: ContainerRecord,
  options: StartOptions = {},
): Promise<ContainerRecord> {
  try {
    const { step, record: running } = await startContainer(deps, record, options)
    await step.detach()
    if (running.runner) noteLivingHelper(deps.shop.store, deps.shop.lease, running.runner.pid)
    return running
  } catch (err) {
    if (record.autoRemove) await removeContainer(deps.shop, record.id)
    else deps.shop.store.containers.put(failedRecord(record, err), deps.shop.lease)
    throw err
  }
}

/** What is kept of a container that could not be started. */
export function failedRecord(record: ContainerRecord, err: unknown): ContainerRecord {
  const exitCode = err instanceof TsboxError && [126, 127].includes(err.exitCode) ? err.exitCode : 128
  return {
    ...record,
    exitCode,
    error: err instanceof Error ? err.message : String(err),
    finished: new Date().toISOString(),
    runner: undefined,
  }
}
