import type { BuildHost, SourceImage } from '../../build/seams.js'
import { InternalStep } from '../../build/solve/internal-step.js'
import { formatPlatform, type Platform } from '../../oci/platform.js'
import type { StoredImage } from '../images/stored-image.js'
import type { RegistryDeps } from '../registry/deps.js'

/** What a base image is looked for with. */
export interface BaseRequest {
  reference: string
  platform: Platform
  /** Of this machine: an image for another one must have been asked for. */
  hostPlatform: Platform
  /** Ask the registry even where the store has it. */
  pull: boolean
  signal: AbortSignal
}

/** An image of the store as the base of a stage. */
export function asSource(image: StoredImage, reference: string): SourceImage {
  const shown = image.record.name ?? reference
  return { digest: image.manifestDigest, config: image.config, layers: image.layers, reference: shown }
}

/** An image that the store has not, or that its registry may have a newer one of. @throws TsboxError as openOrPull */
export async function remoteBase(
  deps: RegistryDeps,
  host: Pick<BuildHost, 'progress' | 'nowMs' | 'nextVertexId' | 'sha256'>,
  { reference, platform, hostPlatform, pull, signal }: BaseRequest,
): Promise<SourceImage> {
  const [{ openOrPull }, { transfersOf }] = await Promise.all([
    import('../registry/open-or-pull.js'),
    import('../registry/transfers.js'),
  ])
  const steps = new InternalStep(host)
  const isAsked = formatPlatform(platform) !== formatPlatform(hostPlatform)
  const want = { when: pull ? ('always' as const) : ('missing' as const), platform, isAsked }
  const image = await openOrPull(
    deps,
    reference,
    want,
    (name, work) => steps.run(name, ({ id }) => work(transfersOf(host.progress, id, host.nowMs))),
    signal,
  )
  return asSource(image, reference)
}
