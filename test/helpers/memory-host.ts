import { concatBytes } from '../../src/base/bytes.js'
import { TsboxError } from '../../src/base/error.js'
import { type BuildJob, buildImage } from '../../src/build/build.js'
import type { ProgressEvent } from '../../src/build/progress/event.js'
import type {
  BuildHost,
  CacheRecord,
  FileTree,
  ImageSink,
  Layer,
  LayerService,
  LayerWriter,
  SourceImage,
  StepExecutor,
  StepResult,
  StepSpec,
} from '../../src/build/seams.js'
import type { Entry } from '../../src/layer/entry.js'
import { LayerTree } from '../../src/layer/layer-tree.js'
import { TarEncoder } from '../../src/layer/tar-encoder.js'
import { readContent, scanTar } from '../../src/layer/tar-reader.js'
import { type Toc, TocBuilder } from '../../src/layer/toc.js'
import { nodeSha256 } from '../../src/util/hash.js'

/** Files of a tree by path: text makes a file, null a directory, `{ link }` a symlink. */
export type Files = Record<string, string | null | { link: string } | Partial<Entry>>

const linux = { os: 'linux', architecture: 'amd64' }

/** A builder's world in memory: real tars, real keys, and an executor that counts. */
export class MemoryHost implements BuildHost, LayerService, ImageSink {
  readonly tars = new Map<string, Uint8Array>()
  readonly records = new Map<string, CacheRecord>()
  readonly images = new Map<string, SourceImage>()
  readonly contexts = new Map<string, Files>()
  readonly blobs = new Map<string, Uint8Array>()
  readonly events: ProgressEvent[] = []
  /** Steps that ran, by command line. */
  readonly ran: string[] = []
  /** What a step does: entries of its layer; default one file named after the command. */
  step: (spec: StepSpec) => Promise<StepResult | Files> = async (spec) => ({
    [`ran-${spec.args.at(-1)!.replace(/\W+/g, '-')}`]: 'x',
  })
  clock = 1_700_000_000
  /** Files whose content was read. */
  reads = 0
  #vertices = 0

  readonly sha256 = nodeSha256
  readonly platform = linux
  readonly layers = this
  readonly cache = {
    get: (key: string) => this.records.get(key),
    put: (key: string, record: CacheRecord) => void this.records.set(key, record),
  }
  readonly executors = async (): Promise<StepExecutor[]> => [
    { id: 'fake', keySalt: '', accepts: async () => true, run: (spec) => this.#run(spec) },
  ]
  readonly progress = (event: ProgressEvent) => void this.events.push(event)
  now = () => this.clock
  nowMs = () => this.clock * 1000
  nextVertexId = () => ++this.#vertices

  async tree(layers: readonly Layer[]): Promise<FileTree> {
    const tocs = layers.map((l) => tocOf(this.tars.get(l.diffID!)!))
    const merged = new LayerTree(tocs)
    return new MemoryTree(this, merged, (path) => {
      const at = merged.locate(path)!
      const tar = this.tars.get(layers[at.layerIndex]!.diffID!)!
      return concatBytes([...readContent(readerOf(tar), at.entry.size, { offset: at.offset })].map((c) => c.slice()))
    })
  }

  writer(): LayerWriter {
    const chunks: Uint8Array[] = []
    const encoder = new TarEncoder((c) => chunks.push(c.slice()))
    return {
      entry: (e) => encoder.entry(e),
      data: (d) => encoder.data(d),
      commit: async () => {
        encoder.end()
        return this.addTar(concatBytes(chunks))
      },
      abort: () => {},
    }
  }

  addTar(tar: Uint8Array): Layer {
    const diffID = `sha256:${nodeSha256().update(tar).hex()}`
    this.tars.set(diffID, tar)
    return { diffID }
  }

  /** A layer of these files. */
  layerOf(files: Files): Promise<Layer> {
    const writer = this.writer()
    for (const [path, what] of Object.entries(files).sort(([a], [b]) => (a < b ? -1 : 1))) {
      const entry = entryOf(path, what)
      writer.entry(entry)
      if (typeof what === 'string') writer.data(new TextEncoder().encode(what))
    }
    return writer.commit()
  }

  keep = (layer: Layer) => this.tars.has(layer.diffID!)
  seal = async (layer: Layer) => ({ diffID: layer.diffID!, sizeBytes: this.tars.get(layer.diffID!)!.length })
  entries = async (layer: Layer) => tocOf(this.tars.get(layer.diffID!)!).items.map((i) => i.entry)
  importArchive = async () => undefined

  async context(name: string): Promise<FileTree | undefined> {
    const files = this.contexts.get(name)
    if (!files) return undefined
    const tree = await this.tree([await this.layerOf(files)])
    return tree
  }

  async resolveImage(reference: string): Promise<SourceImage> {
    const image = this.images.get(reference)
    if (!image) throw new TsboxError('E_IMAGE_NOT_FOUND', `no such image: ${reference}`)
    return image
  }

  async putBlob(bytes: Uint8Array): Promise<string> {
    const digest = `sha256:${nodeSha256().update(bytes).hex()}`
    this.blobs.set(digest, bytes)
    return digest
  }

  async tag(): Promise<void> {}

  /** Builds a Dockerfile; the answer has the files of the result. */
  async build(
    text: string,
    options: Partial<BuildJob['plan']> & { jobs?: number; signal?: AbortSignal; ignorePatterns?: string[] } = {},
  ) {
    const { jobs = 4, signal = new AbortController().signal, ignorePatterns = [], ...plan } = options
    const job: BuildJob = {
      text,
      file: 'Dockerfile',
      plan: {
        buildArgs: {},
        labels: {},
        platform: linux,
        noCache: false,
        network: 'default',
        extraHosts: [],
        hiddenEnv: {},
        namedContext: () => undefined,
        ...plan,
      },
      ignorePatterns: () => ignorePatterns,
      run: { secret: async () => undefined, sshAgent: async () => undefined },
      jobs,
      signal,
      tags: [],
    }
    const image = await buildImage(job, this, this)
    const tree = await this.tree(image.configJson.rootfs.diff_ids.map((diffID) => ({ diffID })))
    return { ...image, tree, paths: listPaths(tree) }
  }

  async #run(spec: StepSpec): Promise<StepResult> {
    this.ran.push(spec.args.at(-1)!)
    const result = await this.step(spec)
    if ('exitCode' in result && typeof result.exitCode === 'number') return result as StepResult
    return { exitCode: 0, layer: await this.layerOf(result as Files) }
  }
}

class MemoryTree implements FileTree {
  readonly #host: MemoryHost
  readonly #merged: LayerTree
  readonly #content: (path: string) => Uint8Array

  constructor(host: MemoryHost, merged: LayerTree, content: (path: string) => Uint8Array) {
    this.#host = host
    this.#merged = merged
    this.#content = content
  }

  lstat = (path: string) => this.#merged.lstat(path)
  readdir = (path: string) => this.#merged.readdir(path)
  readFile = async (path: string) => this.#content(path)
  knownHashes = (paths: readonly string[]) => paths.map(() => undefined)

  async *stream(path: string) {
    yield this.#content(path)
  }

  async readFiles(paths: readonly string[], onFile: (i: number) => void, onData: (c: Uint8Array) => void) {
    return paths.map((path, i) => {
      this.#host.reads++
      const bytes = this.#content(path)
      onFile(i)
      onData(bytes)
      return nodeSha256().update(bytes).hex()
    })
  }
}

function entryOf(path: string, what: Files[string]): Entry {
  const base = { path, mode: 0o644, uid: 0, gid: 0, mtime: 1_600_000_000, size: 0 }
  if (what === null) return { ...base, type: 'dir', mode: 0o755 }
  if (typeof what === 'string') return { ...base, type: 'file', size: new TextEncoder().encode(what).length }
  if ('link' in what && !('type' in what)) return { ...base, type: 'symlink', mode: 0o777, link: what.link }
  return { ...base, type: 'file', ...what }
}

function readerOf(tar: Uint8Array) {
  return (buffer: Uint8Array, position: number) => {
    const part = tar.subarray(position, position + buffer.length)
    buffer.set(part)
    return part.length
  }
}

function tocOf(tar: Uint8Array): Toc {
  const builder = new TocBuilder()
  scanTar(readerOf(tar), (e, p) => builder.entry(e, p))
  return builder.finish(tar.length)
}

/** Every path of a tree with its mode and owner, as `path mode uid:gid`. */
export function listPaths(tree: FileTree): string[] {
  const out: string[] = []
  const visit = (dir: string) => {
    for (const name of tree.readdir(dir)) {
      const path = dir === '' ? name : `${dir}/${name}`
      const e = tree.lstat(path)!
      const link = e.type === 'symlink' ? ` -> ${e.link}` : ''
      out.push(`${path}${e.type === 'dir' ? '/' : ''} ${e.mode.toString(8)} ${e.uid}:${e.gid}${link}`)
      visit(path)
    }
  }
  visit('')
  return out
}
