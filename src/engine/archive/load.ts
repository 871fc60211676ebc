import { statSync } from 'node:fs'
import { TsboxError } from '../../base/error.js'
import { DOCKER_MANIFEST_FILE, INDEX_FILE, LAYOUT_FILE } from '../../oci/layout.js'
import { parseReference } from '../../oci/reference.js'
import { readChunks } from '../../util/read-chunks.js'
import type { ImageDeps } from '../images/deps.js'
import { type ArchiveFiles, readArchive, readFolder } from './archive-files.js'
import { readDockerArchive } from './docker-archive.js'
import { readLayout } from './oci-layout.js'
import { storeImage } from './store-image.js'

/**
 * Loads every image of an archive that is for this machine. All digests are verified; nothing is tagged before all is
 * stored.
 *
 * @param input path of an archive or an OCI layout folder; `-` is `stdin`
 * @returns names as docker shows them, or the id of an image without one
 * @throws TsboxError E_ARCHIVE_INVALID, E_DIGEST_MISMATCH, E_FILE_MISSING and those of tars
 */
export async function loadImages(
  deps: ImageDeps,
  input: string,
  stdin: AsyncIterable<Uint8Array> | undefined,
): Promise<string[]> {
  const files = await openFiles(deps, input, stdin)
  try {
    const images = await readImages(deps, files)
    const stored = []
    for (const image of images) stored.push({ image, target: await storeImage(deps, files, image) })
    return stored.flatMap(({ image, target }) => {
      const names = image.names.map((n) => parseReference(n))
      for (const name of names) deps.store.images.set(name.toString(), target, deps.lease, deps.now())
      if (names.length === 0) deps.store.images.set(undefined, target, deps.lease, deps.now())
      return names.length ? names.map((n) => n.familiar) : [target.config]
    })
  } finally {
    files.close()
  }
}

function openFiles(
  { store, lease }: ImageDeps,
  input: string,
  stdin: AsyncIterable<Uint8Array> | undefined,
): Promise<ArchiveFiles> | ArchiveFiles {
  if (input === '-') {
    if (!stdin) throw new TsboxError('E_NO_INPUT', 'load images: there is no standard input')
    return readArchive(stdin, store.blobs, lease)
  }
  if (statSync(input, { throwIfNoEntry: false })?.isDirectory()) return readFolder(input, store.blobs, lease)
  return readArchive(readChunks(input), store.blobs, lease)
}

async function readImages(deps: ImageDeps, files: ArchiveFiles) {
  // The layout comes first: its manifests, and so their digests, stay as they are.
  if ((await files.file(LAYOUT_FILE)) && (await files.file(INDEX_FILE))) return readLayout(files, deps.platform)
  if (await files.file(DOCKER_MANIFEST_FILE)) return readDockerArchive(files)
  throw new TsboxError('E_ARCHIVE_INVALID', `load images: neither ${INDEX_FILE} nor ${DOCKER_MANIFEST_FILE} is in it`, {
    hint: 'the tar of a root filesystem is brought in with tsbox import',
  })
}
