import { TsboxError } from '../../base/error.js'
import { safePath } from '../../layer/tar-entry.js'
import { DOCKER_MANIFEST_FILE, type DockerArchiveImage } from '../../oci/layout.js'
import { parseReference } from '../../oci/reference.js'
import { type ArchiveFiles, readDocument, type StagedFile } from './archive-files.js'
import type { ArchivedImage } from './archived-image.js'

/**
 * Images of an archive of `docker save` or `podman save`.
 *
 * @throws TsboxError E_ARCHIVE_INVALID
 * @see github.com/moby/docker-image-spec, v1.2, "Combined Image JSON + Filesystem Changeset Format"
 */
export async function readDockerArchive(files: ArchiveFiles): Promise<ArchivedImage[]> {
  const out: ArchivedImage[] = []
  for (const item of await readDockerManifest(files)) {
    const config = await demand(files, item.Config)
    const layers = []
    for (const path of item.Layers) layers.push({ file: await demand(files, path) })
    out.push({ names: namesOf(item), config: readDocument(config, item.Config), layers })
  }
  return out
}

/** The list of images; empty where the archive has none. @throws TsboxError E_ARCHIVE_INVALID */
export async function readDockerManifest(files: ArchiveFiles): Promise<DockerArchiveImage[]> {
  const file = await files.file(DOCKER_MANIFEST_FILE)
  if (!file) return []
  const list = parseJson(readDocument(file, DOCKER_MANIFEST_FILE))
  if (!Array.isArray(list) || !list.every(isImage))
    throw new TsboxError('E_ARCHIVE_INVALID', `read archive: ${DOCKER_MANIFEST_FILE} is not docker's list of images`)
  return list
}

/** Tags of an item that are names. @throws TsboxError E_ARCHIVE_INVALID */
export function namesOf(item: DockerArchiveImage): string[] {
  return (item.RepoTags ?? []).map((name) => {
    try {
      return parseReference(name).toString()
    } catch (cause) {
      throw new TsboxError('E_ARCHIVE_INVALID', `read archive: not a name of an image: "${name}"`, { cause })
    }
  })
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes))
  } catch (cause) {
    throw new TsboxError('E_ARCHIVE_INVALID', `read archive: ${DOCKER_MANIFEST_FILE} is not JSON`, { cause })
  }
}

function isImage(value: unknown): value is DockerArchiveImage {
  const item = value as Partial<DockerArchiveImage> | null
  const texts = (list: unknown) => Array.isArray(list) && list.every((x) => typeof x === 'string')
  return typeof item?.Config === 'string' && texts(item.Layers) && (item.RepoTags == null || texts(item.RepoTags))
}

async function demand(files: ArchiveFiles, path: string): Promise<StagedFile> {
  const file = await files.file(safePath(path))
  if (file) return file
  throw new TsboxError('E_ARCHIVE_INVALID', `read archive: a file that it names is not in it: "${path}"`)
}
