import { TsboxError } from '../../base/error.js'
import type { ExportedImage } from '../../build/export/image.js'
import type { InternalProgress } from '../../build/solve/internal-step.js'
import { isIndex, parseManifest, sortedByName } from '../../oci/manifest.js'
import { parsePlatform, platformMatches } from '../../oci/platform.js'
import { parseReference } from '../../oci/reference.js'
import type { ImageRecord } from '../../store/images.js'
import type { BuildOutput, BuildRequest, ImageAnnotation } from '../api.js'
import { type SaveDeps, type Wanted, writeArchive } from '../archive/save.js'
import { readImage } from '../images/stored-image.js'
import { writeFolder } from './folder.js'
import { imageInForm } from './form.js'
import { writeLayout } from './layout.js'
import { isPlain, isStored, type OutputDeps } from './outputs.js'
import { openSink } from './sink.js'
import { writeTree } from './tree-tar.js'

/**
 * Writes one output of a finished build.
 *
 * @returns the image in the form that the output wanted, its descriptor annotated; undefined for outputs that are none
 */
export async function writeOutput(
  deps: OutputDeps,
  request: BuildRequest,
  output: BuildOutput,
  image: ExportedImage,
  progress: InternalProgress,
): Promise<ExportedImage | undefined> {
  if (output.type === 'local' || output.type === 'tar') {
    await writeFiles(deps, request, output, image, progress)
    return undefined
  }
  const formed = await formedImage(deps, request, output, image, progress)
  if (output.unpack) for (const diffID of formed.configJson.rootfs.diff_ids) await deps.layers.snapshot({ diffID })
  if (isStored(output)) store(deps, request, output, formed, progress)
  else if (output.type !== 'image') await writeImage(deps, request, output, formed, progress)
  const annotations = annotationsOn('manifest-descriptor', output, deps)
  if (Object.keys(annotations).length === 0) return formed
  return { ...formed, manifest: { ...formed.manifest, annotations } }
}

async function writeFiles(
  { layers }: OutputDeps,
  { signal, stdout }: BuildRequest,
  { type, dest = '-' }: BuildOutput,
  image: ExportedImage,
  { transfer }: InternalProgress,
): Promise<void> {
  const tree = await layers.tree(image.configJson.rootfs.diff_ids.map((diffID) => ({ diffID })))
  if (type === 'local') return writeFolder(tree, dest, { signal, transfer })
  const moved = transfer('sending tarball', 0)
  await openSink(dest, stdout, { signal, moved }, async (sink) => writeTree(tree, sink))
  moved.end()
}

async function formedImage(
  deps: OutputDeps,
  { signal }: BuildRequest,
  output: BuildOutput,
  image: ExportedImage,
  { transfer }: InternalProgress,
): Promise<ExportedImage> {
  if (isPlain(output)) return image
  const manifest = parseManifest(deps.shop.store.blobs.read(image.manifest.digest))
  if (isIndex(manifest)) throw new Error('a build made an index')
  const { compression, rewriteTimestamp, mediaTypes: family = 'oci' } = output
  const clampTo = rewriteTimestamp ? deps.epoch : undefined
  const annotations = annotationsOn('manifest', output, deps)
  return imageInForm(deps, image, manifest.layers, { compression, clampTo, family, annotations }, { signal, transfer })
}

/** Those that are for this platform; the last of a name counts, one for the platform before one for all. */
function annotationsOn(
  on: ImageAnnotation['on'],
  { annotations = [] }: BuildOutput,
  { platform }: Pick<OutputDeps, 'platform'>,
): Record<string, string> {
  const mine = annotations.filter((a) => a.on === on)
  const own = mine.filter(
    (a) => a.platform !== undefined && platformMatches(parsePlatform(a.platform, platform), platform),
  )
  const all = [...mine.filter((a) => a.platform === undefined), ...own]
  return sortedByName(Object.fromEntries(all.map((a) => [a.key, a.value])))
}

function recordOf({ shop }: OutputDeps, { manifest, config }: ExportedImage): ImageRecord {
  return { manifest, config: config.digest, tagged: shop.now() } as ImageRecord
}

function store(
  deps: OutputDeps,
  { tags }: BuildRequest,
  { names }: BuildOutput,
  image: ExportedImage,
  { status }: InternalProgress,
): void {
  const { store, lease, now } = deps.shop
  const wanted = (tags.length ? tags : names).map((n) => parseReference(n).toString())
  status(`writing image ${image.config.digest}`)
  for (const name of wanted) status(`naming to ${name}`)
  for (const name of wanted.length ? wanted : [undefined]) store.images.set(name, recordOf(deps, image), lease, now())
}

async function writeImage(
  deps: OutputDeps,
  { tags, signal, stdout }: BuildRequest,
  output: BuildOutput,
  image: ExportedImage,
  { transfer }: InternalProgress,
): Promise<void> {
  const { store, lease } = deps.shop
  const { type, dest = '-' } = output
  const saving: SaveDeps = { store, lease, openTar: (diffID) => deps.layers.openTar(diffID) }
  const names = (tags.length ? tags : output.names).map((n) => parseReference(n))
  const annotations = annotationsOn('manifest-descriptor', output, deps)
  const wanted: Wanted = { image: readImage(store, lease, recordOf(deps, image)), names, annotations }
  const docker = type === 'docker'
  if (output.tar) {
    const moved = transfer('sending tarball', 0)
    await openSink(dest, stdout, { signal, moved }, (sink) => writeArchive(saving, [wanted], { docker }, sink))
    return moved.end()
  }
  if (dest === '-') throw new TsboxError('E_OUTPUT', `write ${type} output: a folder can't go to standard output`)
  return writeLayout(saving, [wanted], { docker }, dest, { signal, transfer })
}
