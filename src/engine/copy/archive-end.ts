import { readFileSync } from 'node:fs'
import { TsboxError } from '../../base/error.js'
import { digestHex } from '../../oci/digest.js'
import { parseConfig } from '../../oci/image-config.js'
import { CONTAINERD_NAME, INDEX_FILE, layoutBlobPath, REF_NAME } from '../../oci/layout.js'
import { type Descriptor, encodeManifest, isIndex, parseManifest } from '../../oci/manifest.js'
import { layerTypeOf, MEDIA } from '../../oci/media-type.js'
import { parseReference } from '../../oci/reference.js'
import { peekCompression } from '../../store/decompress.js'
import { readChunks } from '../../util/read-chunks.js'
import { type ArchiveFiles, readDocument, type StagedFile } from '../archive/archive-files.js'
import { readDockerManifest } from '../archive/docker-archive.js'
import type { CopySource, LocalBlob, RawManifest } from './end.js'
import { rawManifest } from './folder-end.js'

/** An image of an OCI layout (folder or archive), of docker's archive, or of skopeo's `dir`. */
abstract class FilesSource implements CopySource {
  protected readonly files: ArchiveFiles
  readonly repositories: readonly string[] = []

  constructor(files: ArchiveFiles) {
    this.files = files
  }

  abstract root(): Promise<RawManifest>
  /** Where a blob is in the files. */
  protected abstract pathOf(digest: string): string

  async manifest(descriptor: Descriptor): Promise<RawManifest> {
    return rawManifest(readDocument(await this.#find(descriptor), 'manifest'), descriptor.mediaType)
  }

  async blob(descriptor: Descriptor): Promise<LocalBlob> {
    const file = await this.#find(descriptor)
    return { open: (offset) => readChunks(file.path, offset), drop: () => undefined }
  }

  async #find({ digest, size }: Descriptor): Promise<StagedFile> {
    const file = await this.files.file(this.pathOf(digest))
    if (!file) throw new TsboxError('E_ARCHIVE_INVALID', `copy image: a blob is missing: "${digest}"`)
    if (file.digest !== digest || file.sizeBytes !== size)
      throw new TsboxError('E_DIGEST_MISMATCH', `copy image: a blob has other content than its digest: "${digest}"`)
    return file
  }

  close(): void {
    this.files.close()
  }
}

/** By the index of a layout: the image of a tag, or the only one. */
export class LayoutSource extends FilesSource {
  readonly #reference: string | undefined

  constructor(files: ArchiveFiles, reference: string | undefined) {
    super(files)
    this.#reference = reference
  }

  protected pathOf(digest: string): string {
    return layoutBlobPath(digest)
  }

  async root(): Promise<RawManifest> {
    const file = await this.files.file(INDEX_FILE)
    const index = file && parseManifest(readDocument(file, INDEX_FILE))
    if (!index || !isIndex(index))
      throw new TsboxError('E_ARCHIVE_INVALID', `copy image: no OCI layout: ${INDEX_FILE} is missing`)
    return this.manifest(chosen(index.manifests, this.#reference))
  }
}

function chosen(all: readonly Descriptor[], reference: string | undefined): Descriptor {
  const names = (d: Descriptor) => [d.annotations?.[REF_NAME], d.annotations?.[CONTAINERD_NAME]]
  const found =
    reference === undefined ? all : all.filter((d) => names(d).includes(reference) || d.digest === reference)
  const distinct = new Map(found.map((d) => [d.digest, d]))
  if (distinct.size === 1) return [...distinct.values()][0]!
  const there = all.map((d) => d.annotations?.[REF_NAME] ?? d.digest).join(', ')
  throw new TsboxError(
    'E_IMAGE_NOT_FOUND',
    reference === undefined
      ? 'copy image: several images are there: name one'
      : `copy image: no such image is there: "${reference}"`,
    { hint: `there are ${there || 'none'}` },
  )
}

/** skopeo's folder. */
export class DirSource extends FilesSource {
  protected pathOf(digest: string): string {
    return digestHex(digest)
  }

  async root(): Promise<RawManifest> {
    const file = await this.files.file('manifest.json')
    if (!file) throw new TsboxError('E_ARCHIVE_INVALID', 'copy image: no folder of an image: manifest.json is missing')
    const bytes = readDocument(file, 'manifest.json')
    const document = parseManifest(bytes)
    return rawManifest(bytes, document.mediaType ?? (isIndex(document) ? MEDIA.index : MEDIA.manifest))
  }

  override async manifest(descriptor: Descriptor): Promise<RawManifest> {
    const file = await this.files.file(`${digestHex(descriptor.digest)}.manifest.json`)
    if (!file || file.digest !== descriptor.digest)
      throw new TsboxError('E_ARCHIVE_INVALID', `copy image: a manifest is missing: "${descriptor.digest}"`)
    return rawManifest(readDocument(file, 'manifest'), descriptor.mediaType)
  }
}

/** Docker's archive has no manifest of the kind that registries have: one is made of its config and its tars. */
export class DockerArchiveSource extends FilesSource {
  readonly #reference: string | undefined
  readonly #paths = new Map<string, string>()

  constructor(files: ArchiveFiles, reference: string | undefined) {
    super(files)
    this.#reference = reference
  }

  protected pathOf(digest: string): string {
    return this.#paths.get(digest) ?? digest
  }

  async root(): Promise<RawManifest> {
    const all = await readDockerManifest(this.files)
    const name = this.#reference === undefined ? undefined : parseReference(this.#reference).familiar
    const found = all.filter((i) => name === undefined || i.RepoTags?.some((t) => parseReference(t).familiar === name))
    const item = found.length === 1 ? found[0]! : undefined
    if (!item) {
      const there = all.flatMap((i) => i.RepoTags ?? ['<none>']).join(', ')
      throw new TsboxError(
        'E_IMAGE_NOT_FOUND',
        `copy image: ${found.length === 0 ? 'no such image is' : 'several images are'} in the archive`,
        {
          hint: `there are ${there || 'none'}: docker-archive:FILE:NAME`,
        },
      )
    }
    const config = await this.#staged(item.Config, MEDIA.config)
    parseConfig(readFileSync((await this.files.file(item.Config))!.path))
    const layers: Descriptor[] = []
    for (const path of item.Layers) layers.push(await this.#staged(path, undefined))
    return rawManifest(encodeManifest(config, layers), MEDIA.manifest)
  }

  async #staged(path: string, mediaType: string | undefined): Promise<Descriptor> {
    const file = await this.files.file(path)
    if (!file)
      throw new TsboxError('E_ARCHIVE_INVALID', `copy image: a file that the archive names is not in it: "${path}"`)
    this.#paths.set(file.digest, path)
    const type = mediaType ?? layerTypeOf((await peekCompression(readChunks(file.path))).compression)
    return { mediaType: type, digest: file.digest, size: file.sizeBytes }
  }
}
