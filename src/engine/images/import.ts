import { TsboxError } from '../../base/error.js'
import { TarParser } from '../../layer/tar-parser.js'
import { TocBuilder } from '../../layer/toc.js'
import type { ImageConfig } from '../../oci/config.js'
import { formatTime } from '../../oci/image-config.js'
import { decompress } from '../../store/decompress.js'
import { readChunks } from '../../util/read-chunks.js'
import { applyChanges } from './change.js'
import type { ImageDeps } from './deps.js'
import { publishImage, sourceDateEpoch } from './new-image.js'
import { tagName } from './tag.js'

/** What `tsbox import` is told. */
export interface ImportRequest {
  /** Path of a tar, compressed or not; `-` is `stdin`. */
  input: string
  reference: string | undefined
  /** Dockerfile instructions that change the configuration. */
  changes: readonly string[]
  stdin?: AsyncIterable<Uint8Array> | undefined
}

/**
 * Makes an image of a root file system's tar: its bytes, uncompressed, are the one layer.
 *
 * @returns the image's id
 * @throws TsboxError those of tars, E_FILE_MISSING, E_REFERENCE_INVALID, E_CHANGE_UNSUPPORTED
 */
export async function importRootfs(deps: ImageDeps, request: ImportRequest): Promise<string> {
  // Whatever is wrong with the words is said before a big archive is read.
  const name = request.reference === undefined ? undefined : tagName(request.reference)
  const config = applyChanges({}, request.changes)
  const created = formatTime(sourceDateEpoch(deps.env) ?? deps.now())
  const layer = await storeTar(deps, request)
  const image: ImageConfig = {
    created,
    architecture: deps.platform.architecture,
    ...(deps.platform.variant ? { variant: deps.platform.variant } : {}),
    os: deps.platform.os,
    config,
    rootfs: { type: 'layers', diff_ids: [layer.diffID] },
    history: [{ created, comment: `Imported from ${request.input === '-' ? '-' : baseOf(request.input)}` }],
  }
  return publishImage(deps, image, [layer.sizeBytes], name).config
}

async function storeTar(deps: ImageDeps, request: ImportRequest): Promise<{ diffID: string; sizeBytes: number }> {
  const { store, lease } = deps
  const writer = store.blobs.writer(lease)
  const builder = new TocBuilder()
  const parser = new TarParser({ entry: (e, p) => builder.entry(e, p) })
  try {
    for await (const chunk of decompress(inputOf(request))) {
      parser.push(chunk)
      writer.write(chunk)
    }
    parser.end()
    if (writer.sizeBytes === 0) throw new TsboxError('E_TAR_INVALID', `import image: it is empty: "${request.input}"`)
    const { digest, sizeBytes } = writer.commit()
    store.layers.putToc(digest, builder.finish(sizeBytes), lease)
    return { diffID: digest, sizeBytes }
  } finally {
    writer.abort()
  }
}

function inputOf({ input, stdin }: ImportRequest): AsyncIterable<Uint8Array> {
  if (input !== '-') return readChunks(input)
  if (stdin) return stdin
  throw new TsboxError('E_NO_INPUT', 'import image: there is no standard input')
}

function baseOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}
