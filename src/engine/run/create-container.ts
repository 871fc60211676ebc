import { hostname as machineName } from 'node:os'
import { TsboxError } from '../../base/error.js'
import { type ContainerRecord, type ContainerVolume, isContainerName, randomName } from '../../container/record.js'
import { makeDir } from '../../util/make-dir.js'
import { randomHex } from '../../util/random.js'
import type { RunRequest, StreamName } from '../api.js'
import { findContainer } from '../containers/find.js'
import type { StoredImage } from '../images/stored-image.js'
import type { NodeLayers } from '../layers/node-layers.js'
import type { Workshop } from '../layers/workshop.js'
import { resolveProcess } from './container-config.js'
import { encodeParts, partsOf } from './container-parts.js'
import type { Isolation } from './isolation/resolve.js'
import { logSettings } from './log-options.js'
import { parseVolume, VolumeMaker, type VolumeSpec } from './volumes.js'

/** What a new container is made from. */
export interface CreateDeps {
  shop: Workshop
  layers: NodeLayers
  env: Readonly<Record<string, string | undefined>>
}

/**
 * Makes a container: its record, its folder, its volumes. After failure nothing of it is left.
 *
 * @param fields of the record beside what the request says
 * @throws TsboxError with Docker's exit codes
 */
export async function createContainer(
  deps: CreateDeps,
  request: RunRequest,
  image: StoredImage,
  fields: Partial<ContainerRecord> = {},
): Promise<ContainerRecord> {
  const { shop, layers } = deps
  const { store, lease } = shop
  const id = randomHex(32)
  const dir = store.containers.dir(id)
  const config = image.config.config ?? {}
  if (request.ulimits?.length) (await import('./limits.js')).checkLimits(request.ulimits)
  if (request.platform !== undefined) (await import('./image-platform.js')).checkPlatform(image, request)
  const hostname = hostnameOf(request, id, store)
  const resolved = resolveProcess(config, request, hostname, deps.env)
  const isolation = await isolationOf(deps, request)
  const log = request.log && logSettings(request.log)
  const resources = await resourcesOf(deps, request, isolation)
  const volumes = volumesOf(request, config.Volumes ?? {}, isolation)
  const draft: Omit<ContainerRecord, 'name'> = {
    id,
    image: request.image,
    manifest: image.manifestDigest,
    imageID: image.configDigest,
    layers: image.layers,
    mode: await shop.mode(),
    ...(request.emulation ? { emulation: request.emulation } : {}),
    ...(request.userns === 'host' ? { userns: 'host' as const } : {}),
    args: resolved.args,
    volumes: volumes.filter((v) => v.kind === 'named').map((v) => v.source),
    created: new Date().toISOString(),
    autoRemove: request.remove,
    ...fields,
  }
  const named = store.containers.create<ContainerRecord>(
    (others) => ({ ...draft, name: chooseName(request.name, others) }),
    lease,
  )
  try {
    for (const sub of ['fs', 'work', 'stub']) makeDir(`${dir}/${sub}`, 0o755)
    const maker = new VolumeMaker(shop, layers, image.layers, dir)
    const mounts: ContainerVolume[] = []
    for (const v of volumes) mounts.push(await maker.place(v))
    const record: ContainerRecord = {
      ...named,
      settings: {
        entrypoint: resolved.entrypoint,
        command: resolved.command,
        env: resolved.env,
        cwd: resolved.cwd,
        user: resolved.user,
        hostname,
        network: request.network,
        tty: request.tty,
        openStdin: request.interactive,
        stdinOnce: request.interactive && !request.detach,
        labels: { ...config.Labels, ...request.labels },
        ...(request.detach ? {} : { attach: attachOf(request) }),
        ...(log ? { log } : {}),
        stopSignal: request.stopSignal ?? config.StopSignal,
        stopTimeoutSeconds: request.stopTimeoutSeconds,
        mounts,
        parts: encodeParts(partsOf(request, isolation, resources)),
      },
    }
    store.containers.put(record, lease)
    request.onCreated?.(id)
    return record
  } catch (err) {
    await removeContainer(shop, id)
    throw err
  }
}

function attachOf({ attach, interactive }: RunRequest): readonly StreamName[] {
  return attach ?? (interactive ? ['stdin', 'stdout', 'stderr'] : ['stdout', 'stderr'])
}

/** Takes a container out of the store and deletes its files. */
export async function removeContainer(shop: Workshop, id: string): Promise<void> {
  const trash = shop.lease.tempPath('container')
  try {
    shop.store.containers.retire(id, trash)
  } catch {
    return
  }
  await (await shop.agent()).remove([trash])
}

/** What reads it is loaded where something is asked for only. */
async function isolationOf({ shop }: CreateDeps, request: RunRequest): Promise<Isolation | undefined> {
  if (!request.isolation) return undefined
  const { resolveIsolation } = await import('./isolation/resolve.js')
  const { donorOf } = await import('./donor.js')
  const find = (name: string) => donorOf(shop.store, name)
  return await resolveIsolation(request, request.isolation, process.cwd(), await shop.mode(), find)
}

async function resourcesOf({ env }: CreateDeps, request: RunRequest, isolation: Isolation | undefined) {
  if (!request.resources) return undefined
  const { resolveResources } = await import('./resources/resolve.js')
  const resources = await resolveResources(request.resources, env, request.onWarning ?? (() => {}))
  if (resources?.processes !== undefined && isolation?.join)
    throw new TsboxError('E_LIMIT', 'limit processes: the user namespace is that of another container', {
      exitCode: 125,
      hint: 'limit that one, or give this one a cgroup with a pids controller',
    })
  return resources
}

/** Longest name that the kernel takes. @see sethostname(2), HOST_NAME_MAX */
const HOST_NAME_MAX = 64

function hostnameOf(request: RunRequest, id: string, store: Workshop['store']): string {
  const { hostname, isolation } = request
  if (hostname !== undefined && Buffer.byteLength(hostname) > HOST_NAME_MAX)
    throw new TsboxError('E_HOSTNAME', `invalid hostname: more than ${HOST_NAME_MAX} bytes: "${hostname}"`, {
      exitCode: 125,
      hint: 'give a shorter one',
    })
  if (hostname !== undefined && !/^[^\s\0/]+$/.test(hostname))
    throw new TsboxError('E_HOSTNAME', `invalid hostname: "${hostname}"`, {
      exitCode: 125,
      hint: 'letters, digits, "-" and "." make one',
    })
  const uts = isolation?.uts?.startsWith('container:') ? isolation.uts.slice(10) : isolation?.networkOf
  if (hostname === undefined && uts !== undefined) {
    const other = findContainer(store, uts).settings?.hostname
    if (other !== undefined) return other
  }
  const machines = request.network === 'host' || isolation?.uts === 'host'
  return hostname ?? (machines ? machineName() : id.slice(0, 12))
}

/** Those asked for, and a nameless one for each VOLUME of the image that none of them covers. */
function volumesOf(
  request: RunRequest,
  ofImage: Readonly<Record<string, unknown>>,
  isolation: Isolation | undefined,
): VolumeSpec[] {
  const given = request.volumes.map((v) => parseVolume(v, process.cwd()))
  const asked = [...given, ...(isolation?.volumes ?? [])]
  const targets = [...asked, ...(isolation?.images ?? [])].map((v) => v.target)
  const taken = new Set([...targets, ...(isolation?.mounts ?? []).map((m) => m.target)])
  for (const target of taken)
    if (targets.filter((t) => t === target).length > 1)
      throw new TsboxError('E_MOUNT', `duplicate mount point: "${target}"`, { exitCode: 125 })
  const own = Object.keys(ofImage).filter((v) => v.startsWith('/') && v !== '/')
  return [...asked, ...own.map((v) => parseVolume(v, '/')).filter((v) => !taken.has(v.target))]
}

/** @throws TsboxError E_CONTAINER_NAME, E_CONTAINER_NAME_TAKEN */
export function chooseName(wanted: string | undefined, others: readonly ContainerRecord[]): string {
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
    `Conflict. The container name "/${wanted}" is already in use by container "${other}". You have to remove (or rename) that container to be able to reuse that name.`,
    { exitCode: 125, hint: `tsbox rm ${wanted}` },
  )
}
