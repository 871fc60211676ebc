import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { TsboxError } from '../../base/error.js'
import { type BuildJob, buildImage } from '../../build/build.js'
import type { ProgressSink } from '../../build/progress/event.js'
import type { BuildHost, ImageSink, SourceImage, StepExecutor } from '../../build/seams.js'
import { InternalStep } from '../../build/solve/internal-step.js'
import { LAYOUT_SCHEME } from '../../oci/layout.js'
import { type Platform, parsePlatform } from '../../oci/platform.js'
import { parseReference } from '../../oci/reference.js'
import { nodeSha256 } from '../../util/hash.js'
import type { BuildOutcome, BuildOutput, BuildRequest } from '../api.js'
import { openImage } from '../images/stored-image.js'
import type { NodeLayers } from '../layers/node-layers.js'
import type { Workshop } from '../layers/workshop.js'
import { isStored, outputsOf, writeOutputs } from '../output/outputs.js'
import { buildArgs, proxyEnv, sourceDateEpoch } from './build-request.js'
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

async function buildRequest(...[deps, request, progress, watch]: Parameters<RunBuild>): Promise<BuildOutcome> {
  const tags = request.tags.map(parseTag)
  const outputs = outputsOf(request)
  const args = buildArgs(request, deps.env)
  const platform = request.platform ? parsePlatform(request.platform, deps.hostPlatform) : deps.hostPlatform
  const contexts = new Contexts(deps, request)
  const stored = storedTags(outputs, tags)
  const host = buildHost(deps, request, contexts, progress, platform)
  if (contexts.isRemote) await new InternalStep(host).run('[internal] load remote build context', () => contexts.load())
  const source = await contexts.dockerfile()
  if (request.reproducible && !args.SOURCE_DATE_EPOCH) {
    const { dateSources } = await import('./reproducible.js')
    args.SOURCE_DATE_EPOCH = await dateSources(host, contexts, request.context, deps.env)
  }
  const epoch = sourceDateEpoch(args)
  const job: BuildJob = {
    ...source,
    plan: {
      buildArgs: args,
      labels: request.labels,
      target: request.target,
      platform,
      noCache: request.noCache,
      network: request.network,
      extraHosts: request.extraHosts,
      hiddenEnv: proxyEnv(args),
      namedContext: (name) => contexts.named(name),
    },
    ignorePatterns: () => contexts.ignorePatterns(),
    run: { secret: (id) => secretValue(request, deps.env, id), sshSocket: () => undefined, epoch },
    jobs: request.jobs ?? Math.max(MIN_JOBS, availableParallelism()),
    epoch,
    signal: request.signal,
    tags: stored?.map((t) => t.canonical) ?? [],
    onSolved: (build) => {
      watch?.(build, epoch)
      return rememberSteps(deps.shop, request, host, build)
    },
  }
  const image = await buildImage(job, host, imageSink(deps.shop, stored)).finally(() => contexts.save())
  await writeOutputs(deps, request, outputs, image, (name, work) => new InternalStep(host).run(name, work))
  return {
    imageID: image.config.digest,
    manifestDigest: image.manifest.digest,
    tags: (stored ?? []).map((t) => t.canonical),
  }
}

interface Tag {
  canonical: string
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
  platform: Platform,
): BuildHost {
  const { store, lease, now } = deps.shop
  let vertices = 0
  return {
    sha256: nodeSha256,
    now,
    nowMs: () => Date.now(),
    nextVertexId: () => ++vertices,
    layers: deps.layers,
    cache: {
      get: (key) => store.cache.get(key, Date.now()),
      put: (key, record) => store.cache.put(key, record, lease),
    },
    executors: onceOnly(() => deps.executors(request.backend)),
    progress,
    resolveImage: async (reference, wanted) =>
      reference.startsWith(LAYOUT_SCHEME)
        ? (await import('../context/oci-layout.js')).layoutImage(deps.shop, reference, wanted)
        : sourceImage(deps.shop, reference),
    context: (name) => contexts.tree(name),
    // Loaded here only: http and tls cost every other build their time.
    fetch: async (url, checksum) =>
      (await import('../fetch/remote-file.js')).fetchFile({ ...deps, signal: request.signal }, url, checksum),
    platform,
  }
}

function onceOnly<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined
  return () => {
    made ??= make()
    return made
  }
}

function sourceImage(shop: Workshop, reference: string): SourceImage {
  const image = openImage(shop.store, shop.lease, reference)
  const shown = image.record.name ?? reference
  return { digest: image.manifestDigest, config: image.config, layers: image.layers, reference: shown }
}

/**
 * The image counts once all of it is stored: its tags are the last thing written.
 *
 * @param tags undefined for an image that only goes elsewhere
 */
function imageSink(shop: Workshop, tags: readonly Tag[] | undefined): ImageSink {
  const { store, lease } = shop
  return {
    putBlob: async (bytes) => store.blobs.put(bytes, lease).digest,
    tag: async (manifest, config) => {
      lease.hold('manifest', manifest.digest)
      if (!tags) return
      const target = { manifest, config: config.digest } as Parameters<typeof store.images.set>[1]
      const names = tags.length ? tags.map((t) => t.canonical) : [undefined]
      for (const name of names) store.images.set(name, target, lease, shop.now())
    },
  }
}

async function secretValue(
  request: BuildRequest,
  env: Readonly<Record<string, string | undefined>>,
  id: string,
): Promise<Uint8Array | undefined> {
  const given = request.secrets[id]
  if (!given) return undefined
  if (given.env !== undefined) {
    const value = env[given.env]
    return value === undefined ? undefined : new TextEncoder().encode(value)
  }
  return given.file === undefined ? undefined : readFileSync(given.file)
}
