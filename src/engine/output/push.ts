import { TsboxError } from '../../base/error.js'
import type { ExportedImage } from '../../build/export/image.js'
import { parseReference } from '../../oci/reference.js'
import type { ImageRecord } from '../../store/images.js'
import type { BuildOutput, BuildRequest } from '../api.js'
import { readImage } from '../images/stored-image.js'
import { pushForm } from '../registry/push-form.js'
import { pushImage, pushTarget } from '../registry/push-image.js'
import type { Transfers } from '../registry/transfers.js'
import type { OutputDeps } from './outputs.js'

/** The names that an output is pushed under. @throws TsboxError E_OUTPUT where there are none, or not as the output wants them */
export function pushNames({ tags }: Pick<BuildRequest, 'tags'>, { names, push }: BuildOutput): string[] {
  const all = tags.length ? tags : names
  if (all.length === 0)
    throw new TsboxError('E_OUTPUT', 'push image: tag is needed when pushing to registry', {
      hint: 'name the image with -t HOST/NAME:TAG',
    })
  return push?.byDigest
    ? [...new Set(all.map((n) => parseReference(n).repository))]
    : all.map((n) => parseReference(n).toString())
}

/**
 * Pushes an image that was built, under all names of the output.
 *
 * @returns the image as the registry has it: layers that were not packed are now
 */
export async function pushOutput(
  deps: OutputDeps,
  request: BuildRequest,
  output: BuildOutput,
  image: ExportedImage,
  transfers: Transfers,
): Promise<ExportedImage> {
  const { store, lease, now } = deps.shop
  const record = { manifest: image.manifest, config: image.config.digest, tagged: now() } as ImageRecord
  const stored = readImage(store, lease, record)
  // What the output wanted packed in a certain way is packed by now: all else gets packed as images in registries are.
  const form = output.compression ? { compression: { kind: 'uncompressed' as const, force: false } } : {}
  const made = await pushForm(stored, form, async () => deps, store.blobs.read(stored.manifestDigest), request.signal)
  store.blobs.put(made.bytes, lease)
  const openTar = (diffID: string) => deps.layers.openTar(diffID)
  for (const name of pushNames(request, output)) {
    const reference = parseReference(name)
    transfers.status(`pushing ${output.push?.byDigest ? `${name}@${made.digest}` : name}`)
    const repository = await pushTarget(deps.registries, reference, output.push?.insecure)
    const tags = output.push?.byDigest ? [] : [reference.tag!]
    await pushImage({ store, lease, openTar }, repository, made, tags, transfers, request.signal)
  }
  const { mediaType, digest } = made
  return { ...image, manifest: { ...image.manifest, mediaType, digest, size: made.bytes.length } }
}
