import { availableParallelism } from 'node:os'
import { TsboxError } from '../../base/error.js'
import { type BuildJob, buildImage } from '../../build/build.js'
import type { ExportedImage } from '../../build/export/image.js'
import type { ProgressSink } from '../../build/progress/event.js'
import type { BuildHost, GitHost, ImageSink, SourceImage, StepExecutor } from '../../build/seams.js'
import { InternalStep } from '../../build/solve/internal-step.js'
import { LAYOUT_SCHEME } from '../../oci/layout.js'
import { isIndex, parseManifest } from '../../oci/manifest.js'
import { type Platform, parsePlatform } from '../../oci/platform.js'
import { parseReference } from '../../oci/reference.js'
import { nodeSha256 } from '../../util/hash.js'
import type { BuildOutcome, BuildOutput, BuildRequest } from '../api.js'
import type { CacheSession } from '../cache/session.js'
import { openImage } from '../images/stored-image.js'
import type { NodeLayers } from '../layers/node-layers.js'
import type { Workshop } from '../layers/workshop.js'
import { checkOutputs, isPlain, isStored, outputsOf, writeOutputs } from '../output/outputs.js'
import type { RegistryDeps } from '../registry/deps.js'
import { asSource, type BaseRequest, remoteBase } from './base-image.js'
import { buildArgs, proxyEnv, sourceDateEpoch } from './build-request.js'
import { builderArgs } from './builder-args.js'
import { Contexts } from './contexts.js'
import { rememberSteps, type SolvedBuild } from './step-memory.js'

/** Steps that wait (for a network, for each other) are common: more of them than cores may run. */
const MIN_JOBS = 8

/** What the builds of one engine share. */
export interface BuildDeps {
  shop: Workshop
  layers: NodeLayers
  /** Executors in order of preference for the backend that was asked for. */
  executors(backend: BuildRequest['backend']): Promise<StepExecutor[]>
  env: Readonly<Record<string, string | undefined>>
  hostPlatform: Platform
  registries: RegistryDeps
}

/** Builds a request; `watch` gets the steps once they have ended, and SOURCE_DATE_EPOCH in seconds. */
export type RunBuild = (
  deps: BuildDeps,
  request: BuildRequest,
  progress: ProgressSink,
  watch?: (build: SolvedBuild, epoch: number | undefined) => void,
) => Promise<BuildOutcome>

/** Builds one request. @throws TsboxError */
export const runBuild: RunBuild = async (deps, request, progress, watch) => {
  if (!request.onGraph) return buildRequest(deps, request, progress, watch)
  const { withGraph } = await import('./graph-record.js')
  return withGraph(deps, request, progress, buildRequest)
}

async function buildRequest(...call: Parameters<RunBuild>): Promise<BuildOutcome> {
  const [deps, request] = call
  const contexts = new Contexts(deps, request)
  try {
    return await buildIn(contexts, ...call)
  } finally {
    await contexts.close()
  }
}

async function buildIn(
  contexts: Contexts,
  ...[deps, request, progress, watch]: Parameters<RunBuild>
): Promise<BuildOutcome> {
  const tags = request.tags.map(parseTag)
  const outputs = outputsOf(request)
  for (const output of outputs) if (output.push) (await import('../output/push.js')).pushNames(request, output)
  const args = buildArgs(request, deps.env)
  const platform = request.platform ? parsePlatform(request.platform, deps.hostPlatform) : deps.hostPlatform
  const caches = await cacheSession(deps, request, platform)
  if (request.ulimits?.length) (await import('../run/limits.js')).checkLimits(request.ulimits)
  const stored = storedTags(outputs.filter(isPlain), tags)
  const host = buildHost(deps, request, contexts, caches?.listener(progress) ?? progress, caches)
  if (contexts.isRemote) await new InternalStep(host).run(contexts.loadTitle, ({ transfer }) => contexts.load(transfer))
  const source = await contexts.dockerfile()
  if (request.reproducible && !args.SOURCE_DATE_EPOCH) {
    const { dateSources } = await import('./reproducible.js')
    args.SOURCE_DATE_EPOCH = await dateSources(host, contexts, request.context, deps.env)
  }
  const epoch = sourceDateEpoch(args)
  checkOutputs(outputs, epoch)
  const job: BuildJob = {
    ...source,
    plan: {
      buildArgs: args,
      labels: request.labels,
      target: request.target,
      platform,
      buildPlatform: deps.hostPlatform,
      noCache: request.noCache,
      noCacheStages: request.noCacheStages,
      network: request.network,
      extraHosts: request.extraHosts,
      hiddenEnv: proxyEnv(args),
      shmSizeBytes: request.shmSizeBytes,
      ulimits: request.ulimits,
      ...builderArgs(args),
      namedContext: (name) => contexts.named(name),
    },
    ignorePatterns: () => contexts.ignorePatterns(),
    run: { secret: (id) => contexts.secret(id), sshAgent: (id) => contexts.agents.agent(id), epoch },
    jobs: request.jobs ?? Math.max(MIN_JOBS, availableParallelism()),
    epoch,
    signal: request.signal,
    tags: stored?.map((t) => t.canonical) ?? [],
    onSolved: (build) => {
      watch?.(build, epoch)
      return rememberSteps(deps.shop, request, host, build)
    },
    inlineCache: caches?.isInline || args.BUILDKIT_INLINE_CACHE === '1',
    exportCache: caches?.exports ? (entries) => caches.exportAll(entries) : undefined,
    onFailure: request.onFailure,
  }
  const build = () => buildImage(job, host, imageSink(deps, stored, outputs)).finally(() => contexts.save())
  const image = await buildWith(caches, host, build)
  const made = await writeOutputs({ ...deps, platform, epoch, progress }, request, outputs, image, (name, work) =>
    new InternalStep(host).run(name, work),
  )
  caches?.close()
  return outcomeOf(request, outputs, made, image, tags)
}

/** What there is to tell: of the image that was written, else of the one that was built and kept nowhere. */
function outcomeOf(
  { tags: given }: BuildRequest,
  outputs: readonly BuildOutput[],
  made: Awaited<ReturnType<typeof writeOutputs>>,
  built: ExportedImage,
  tags: readonly Tag[],
): BuildOutcome {
  const { config, manifest, configJson } = made?.image ?? built
  const names = given.length || !made ? tags : made.output.names.map(parseTag)
  return {
    imageID: config.digest,
    manifestDigest: manifest.digest,
    created: configJson.created,
    tags: (storedTags(outputs, tags) ?? []).map((t) => t.canonical),
    ...(made ? { image: { descriptor: manifest, names: names.map((t) => t.canonical) } } : {}),
  }
}

interface Tag {
  canonical: string
}

/** Loaded for builds only that have a cache to share. */
async function cacheSession(deps: BuildDeps, request: BuildRequest, platform: Platform) {
  if (!request.cacheFrom?.length && !request.cacheTo?.length) return undefined
  return new (await import('../cache/session.js')).CacheSession(deps, request, platform)
}

async function buildWith<T>(caches: CacheSession | undefined, host: BuildHost, build: () => Promise<T>): Promise<T> {
  await caches?.open(host)
  return caches ? caches.build(build) : build()
}

/** Names under which the store gets the image; undefined where no output is the store. */
function storedTags(outputs: readonly BuildOutput[], tags: readonly Tag[]): Tag[] | undefined {
  const stored = outputs.filter(isStored)
  if (stored.length === 0) return undefined
  return tags.length ? [...tags] : stored.flatMap((o) => o.names.map(parseTag))
}

function parseTag(text: string): Tag {
  const reference = parseReference(text)
  if (reference.digest !== undefined)
    throw new TsboxError('E_REFERENCE_INVALID', `invalid tag "${text}": a tag can't have a digest`, {
      hint: 'leave out what follows the @',
    })
  return { canonical: reference.toString() }
}

function buildHost(
  deps: BuildDeps,
  request: BuildRequest,
  contexts: Contexts,
  progress: ProgressSink,
  caches: CacheSession | undefined,
): BuildHost {
  const { store, lease, now } = deps.shop
  let vertices = 0
  const pulls = { pull: request.pull ?? false, signal: request.signal }
  const host: BuildHost = {
    sha256: nodeSha256,
    now,
    nowMs: () => Date.now(),
    nextVertexId: () => ++vertices,
    layers: deps.layers,
    cache: {
      isShared: (request.cacheFrom?.length ?? 0) > 0,
      get: (key) => {
        const local = store.cache.get(key, Date.now())
        return caches ? caches.record(key, local) : local
      },
      put: (key, record) => store.cache.put(key, record, lease),
    },
    executors: onceOnly(() => deps.executors(request.backend)),
    // What such steps make has other owners, or was made by programs that saw others.
    stepSalt: request.emulation && `ids ${request.emulation}`,
    progress,
    resolveImage: async (reference, wanted) =>
      reference.startsWith(LAYOUT_SCHEME)
        ? (await import('../context/oci-layout.js')).layoutImage(deps.shop, reference, wanted)
        : baseImage(deps, host, { reference, platform: wanted, hostPlatform: deps.hostPlatform, ...pulls }),
    context: (name) => contexts.tree(name),
    // Loaded here only: http and tls cost every other build their time.
    fetch: async (url, checksum, transfer) =>
      (await import('../fetch/remote-file.js')).fetchFile({ ...deps, signal: request.signal, transfer }, url, checksum),
    git: gitHost(contexts),
    platform: deps.hostPlatform,
  }
  return host
}

/** Repositories for ADD: loaded with the first. */
function gitHost(contexts: Contexts): GitHost {
  return {
    resolve: async (source) => (await contexts.git('dockerfile')).resolve(source),
    layer: async (source, commit, transfer) => (await contexts.git('dockerfile')).layer(source, commit, transfer),
  }
}

function onceOnly<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined
  return () => {
    made ??= make()
    return made
  }
}

async function baseImage({ shop, registries }: BuildDeps, host: BuildHost, base: BaseRequest): Promise<SourceImage> {
  if (!base.pull) {
    try {
      return asSource(openImage(shop.store, shop.lease, base.reference), base.reference)
    } catch (err) {
      if (!(err instanceof TsboxError) || err.code !== 'E_IMAGE_NOT_FOUND') throw err
    }
  }
  return remoteBase(registries, host, base)
}

/**
 * The image counts once all of it is stored: its tags are the last thing written.
 *
 * @param tags undefined for an image that only goes elsewhere
 */
function imageSink(
  { shop, layers }: BuildDeps,
  tags: readonly Tag[] | undefined,
  outputs: readonly BuildOutput[],
): ImageSink {
  const { store, lease } = shop
  return {
    putBlob: async (bytes) => store.blobs.put(bytes, lease).digest,
    tag: async (manifest, config) => {
      lease.hold('manifest', manifest.digest)
      // Layers of an imported cache are fetched when they are read: now, if ever.
      if (layers.origin && outputs.some((o) => o.type !== 'cacheonly'))
        await bringLayers(store, layers, manifest.digest)
      if (!tags) return
      const target = { manifest, config: config.digest } as Parameters<typeof store.images.set>[1]
      const names = tags.length ? tags.map((t) => t.canonical) : [undefined]
      for (const name of names) store.images.set(name, target, lease, shop.now())
    },
  }
}

async function bringLayers(store: Workshop['store'], layers: NodeLayers, manifest: string): Promise<void> {
  const parsed = parseManifest(store.blobs.read(manifest))
  if (isIndex(parsed)) return
  for (const { digest } of parsed.layers) await layers.bring({ diffID: digest })
}
