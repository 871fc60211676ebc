import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { pack as packTar } from 'tar-stream'
import { TsboxError } from '../../base/error.js'
import { digestHex, digestOf } from '../../oci/digest.js'
import { parseConfig } from '../../oci/image-config.js'
import {
  CONTAINERD_NAME,
  DOCKER_MANIFEST_FILE,
  INDEX_FILE,
  LAYOUT_FILE,
  LAYOUT_JSON,
  layoutBlobPath,
  REF_NAME,
} from '../../oci/layout.js'
import { type Descriptor, type ImageIndex, isIndex, parseManifest } from '../../oci/manifest.js'
import { MEDIA } from '../../oci/media-type.js'
import { parseReference } from '../../oci/reference.js'
import { decompress } from '../../store/decompress.js'
import { writeFileAtomic } from '../../util/atomic.js'
import { contentSha256, nodeSha256 } from '../../util/hash.js'
import { readChunks } from '../../util/read-chunks.js'
import { outputErrors, tempBeside, writeAll } from '../output/sink.js'
import type { TransferLine } from '../registry/transfers.js'
import type { CopyTarget, LocalBlob, RawManifest } from './end.js'

/** Writes a blob beside its place and renames it, verified. */
async function writeBlob(
  path: string,
  { digest, size }: Descriptor,
  blob: LocalBlob,
  line: TransferLine,
  signal: AbortSignal,
): Promise<void> {
  outputErrors(path, () => mkdirSync(dirname(path), { recursive: true }))
  const temp = tempBeside(path)
  const fd = outputErrors(path, () => openSync(temp, 'wx', 0o644))
  const hash = contentSha256()
  let moved = 0
  try {
    try {
      for await (const chunk of blob.open(0)) {
        signal.throwIfAborted()
        hash.update(chunk)
        outputErrors(path, () => writeAll(fd, chunk))
        moved += chunk.length
        line.at(moved)
      }
    } finally {
      closeSync(fd)
    }
    if (moved !== size || `sha256:${hash.hex()}` !== digest)
      throw new TsboxError('E_DIGEST_MISMATCH', `copy image: the blob changed on its way: "${digest}"`)
    outputErrors(path, () => renameSync(temp, path))
  } catch (err) {
    rmSync(temp, { force: true })
    throw err
  }
}

function writeText(path: string, text: string | Uint8Array): void {
  outputErrors(path, () => {
    mkdirSync(dirname(path), { recursive: true })
    writeFileAtomic(path, text, { temp: tempBeside(path), mode: 0o644 })
  })
}

/** An OCI layout folder; what is in it stays. @see OCI image-spec 1.1, image-layout.md */
export class LayoutTarget implements CopyTarget {
  readonly #dir: string
  readonly #reference: string | undefined

  /** @throws TsboxError E_OUTPUT for a folder with other things in it */
  constructor(dir: string, reference: string | undefined) {
    this.#dir = dir
    this.#reference = reference
    const names = statSync(dir, { throwIfNoEntry: false }) ? outputErrors(dir, () => readdirSync(dir)) : []
    if (names.length > 0 && !names.includes(LAYOUT_FILE))
      throw new TsboxError('E_OUTPUT', `copy image: the folder is no OCI layout: "${dir}"`, {
        hint: 'name a new folder',
      })
  }

  async has({ digest, size }: Descriptor): Promise<boolean> {
    return statSync(join(this.#dir, layoutBlobPath(digest)), { throwIfNoEntry: false })?.size === size
  }

  put(blob: Descriptor, local: LocalBlob, line: TransferLine, signal: AbortSignal): Promise<void> {
    return writeBlob(join(this.#dir, layoutBlobPath(blob.digest)), blob, local, line, signal)
  }

  async putManifest({ digest, bytes }: RawManifest): Promise<void> {
    writeText(join(this.#dir, layoutBlobPath(digest)), bytes)
  }

  async finish(root: RawManifest): Promise<void> {
    await this.putManifest(root)
    const file = join(this.#dir, INDEX_FILE)
    const before = statSync(file, { throwIfNoEntry: false }) ? parseManifest(readFileSync(file)) : undefined
    const name = this.#reference
    const kept = before && isIndex(before) ? before.manifests : []
    const others = kept.filter((m) =>
      name === undefined ? m.digest !== root.digest : m.annotations?.[REF_NAME] !== name,
    )
    writeText(file, JSON.stringify(indexWith([...others, namedDescriptor(root, name)])))
    writeText(join(this.#dir, LAYOUT_FILE), LAYOUT_JSON)
  }

  abort(): void {}
}

function namedDescriptor({ digest, bytes, mediaType }: RawManifest, name: string | undefined): Descriptor {
  return { mediaType, digest, size: bytes.length, ...(name === undefined ? {} : { annotations: annotationsOf(name) }) }
}

/** A full name in both places: containerd and docker read the one, podman and skopeo the other. */
function annotationsOf(name: string): Record<string, string> {
  return /[/:]/.test(name)
    ? { [CONTAINERD_NAME]: parseReference(name).toString(), [REF_NAME]: name }
    : { [REF_NAME]: name }
}

function indexWith(manifests: Descriptor[]): ImageIndex {
  return { schemaVersion: 2, mediaType: MEDIA.index, manifests }
}

/** skopeo's folder of one image: `manifest.json`, `version`, and each blob under its hex digits. */
export class DirTarget implements CopyTarget {
  readonly #dir: string

  /** @throws TsboxError E_OUTPUT for a folder with other things in it */
  constructor(dir: string) {
    this.#dir = dir
    const names = statSync(dir, { throwIfNoEntry: false }) ? outputErrors(dir, () => readdirSync(dir)) : []
    if (names.length > 0 && !names.includes('version'))
      throw new TsboxError('E_OUTPUT', `copy image: the folder has other things in it: "${dir}"`, {
        hint: 'name a new folder',
      })
  }

  async has({ digest, size }: Descriptor): Promise<boolean> {
    return statSync(join(this.#dir, digestHex(digest)), { throwIfNoEntry: false })?.size === size
  }

  put(blob: Descriptor, local: LocalBlob, line: TransferLine, signal: AbortSignal): Promise<void> {
    return writeBlob(join(this.#dir, digestHex(blob.digest)), blob, local, line, signal)
  }

  async putManifest({ digest, bytes }: RawManifest): Promise<void> {
    writeText(join(this.#dir, `${digestHex(digest)}.manifest.json`), bytes)
  }

  async finish({ bytes }: RawManifest): Promise<void> {
    writeText(join(this.#dir, 'manifest.json'), bytes)
    writeText(join(this.#dir, 'version'), 'Directory Transport Version: 1.1\n')
  }

  abort(): void {}
}

/** An archive: gathered in a folder beside it, then written as one tar. */
export class ArchiveTarget implements CopyTarget {
  readonly #path: string
  readonly #kind: 'oci-archive' | 'docker-archive'
  readonly #reference: string | undefined
  readonly #temp: string
  readonly #layout: LayoutTarget

  constructor(kind: 'oci-archive' | 'docker-archive', path: string, reference: string | undefined) {
    this.#kind = kind
    this.#path = path
    this.#reference = reference
    this.#temp = tempBeside(path)
    this.#layout = new LayoutTarget(this.#temp, reference)
  }

  has(descriptor: Descriptor): Promise<boolean> {
    return this.#layout.has(descriptor)
  }

  put(blob: Descriptor, local: LocalBlob, line: TransferLine, signal: AbortSignal): Promise<void> {
    return this.#layout.put(blob, local, line, signal)
  }

  putManifest(manifest: RawManifest): Promise<void> {
    return this.#layout.putManifest(manifest)
  }

  async finish(root: RawManifest, signal: AbortSignal): Promise<void> {
    await this.#layout.finish(root)
    if (this.#kind === 'docker-archive') await this.#toDocker(root, signal)
    const packed = `${this.#temp}.tar`
    try {
      await this.#pack(packed, signal)
      outputErrors(this.#path, () => renameSync(packed, this.#path))
    } catch (err) {
      rmSync(packed, { force: true })
      throw err
    }
    this.abort()
  }

  /** Docker's list names a config and plain tars. */
  async #toDocker({ document }: RawManifest, signal: AbortSignal): Promise<void> {
    if (isIndex(document))
      throw new TsboxError('E_TRANSPORT', 'copy image: an archive of docker has images of one platform only', {
        hint: 'leave out --all',
      })
    const config = join(this.#temp, layoutBlobPath(document.config.digest))
    const { diff_ids: diffIDs } = parseConfig(readFileSync(config)).rootfs
    const layers: string[] = []
    for (const [i, { digest }] of document.layers.entries()) {
      const name = `${digestHex(diffIDs[i] ?? digest)}.tar`
      await this.#unpack(join(this.#temp, layoutBlobPath(digest)), join(this.#temp, name), diffIDs[i] ?? digest, signal)
      layers.push(name)
    }
    const configName = `${digestHex(document.config.digest)}.json`
    renameSync(config, join(this.#temp, configName))
    for (const name of ['blobs', INDEX_FILE, LAYOUT_FILE])
      rmSync(join(this.#temp, name), { recursive: true, force: true })
    const tags = this.#reference === undefined ? null : [parseReference(this.#reference).familiar]
    writeText(
      join(this.#temp, DOCKER_MANIFEST_FILE),
      JSON.stringify([{ Config: configName, RepoTags: tags, Layers: layers }]),
    )
  }

  async #unpack(from: string, to: string, diffID: string, signal: AbortSignal): Promise<void> {
    if (statSync(to, { throwIfNoEntry: false })) return
    const hash = contentSha256()
    const fd = outputErrors(to, () => openSync(to, 'wx', 0o644))
    try {
      for await (const chunk of decompress(readChunks(from))) {
        signal.throwIfAborted()
        hash.update(chunk)
        outputErrors(to, () => writeAll(fd, chunk))
      }
    } finally {
      closeSync(fd)
    }
    if (`sha256:${hash.hex()}` !== diffID)
      throw new TsboxError('E_DIGEST_MISMATCH', `copy image: a layer is not the one that the config names: "${diffID}"`)
  }

  async #pack(path: string, signal: AbortSignal): Promise<void> {
    const tar = packTar()
    const fd = outputErrors(path, () => openSync(path, 'wx', 0o644))
    try {
      const filled = this.#fill(tar).then(
        () => tar.finalize(),
        (err: unknown) => tar.destroy(err as Error),
      )
      for await (const chunk of tar as AsyncIterable<Uint8Array>) {
        signal.throwIfAborted()
        outputErrors(path, () => writeAll(fd, chunk))
      }
      await filled
    } finally {
      closeSync(fd)
    }
  }

  async #fill(tar: ReturnType<typeof packTar>): Promise<void> {
    for (const name of files(this.#temp)) {
      const path = join(this.#temp, name)
      if (name.endsWith('/')) {
        // skopeo, without root, can't unpack what has folders that the archive does not name.
        await addFolder(tar, name)
        continue
      }
      await new Promise<void>((resolve, reject) => {
        const size = statSync(path).size
        const entry = tar.entry({ name, size, mode: 0o644, uid: 0, gid: 0, mtime: new Date(0) }, (err) =>
          err ? reject(err) : resolve(),
        )
        const feed = async () => {
          for await (const chunk of readChunks(path))
            if (!entry.write(chunk)) await new Promise<void>((r) => entry.once('drain', () => r()))
          entry.end(null)
        }
        feed().catch(reject)
      })
    }
  }

  abort(): void {
    rmSync(this.#temp, { recursive: true, force: true })
  }
}

function addFolder(tar: ReturnType<typeof packTar>, name: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const header = { name, type: 'directory', mode: 0o755, uid: 0, gid: 0, mtime: new Date(0) } as const
    tar.entry(header, (err) => (err ? reject(err) : resolve()))
  })
}

/** Paths below a folder in byte order, folders with a slash and before what is in them. */
function files(dir: string, prefix = ''): string[] {
  return readdirSync(join(dir, prefix), { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((e) =>
      e.isDirectory() ? [`${prefix}${e.name}/`, ...files(dir, `${prefix}${e.name}/`)] : [prefix + e.name],
    )
}

/** For who makes manifests here. */
export function rawManifest(bytes: Uint8Array, mediaType: string): RawManifest {
  return { bytes, digest: digestOf(nodeSha256, bytes), mediaType, document: parseManifest(bytes) }
}
