import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { TsboxError } from '../../base/error.js'
import { remoteKind } from '../../base/url.js'
import { parseIgnoreFile } from '../../build/context/ignore-file.js'
import { IgnoredTree } from '../../build/context/ignored-tree.js'
import type { NamedContext } from '../../build/graph/plan-options.js'
import { resolveInTree } from '../../build/ops/resolve.js'
import type { FileTree } from '../../build/seams.js'
import { LAYOUT_SCHEME } from '../../oci/layout.js'
import { parseReference } from '../../oci/reference.js'
import { readChunks } from '../../util/read-chunks.js'
import type { BuildRequest } from '../api.js'
import { DirTree } from '../context/dir-tree.js'
import { StoredContents } from '../context/stored-contents.js'
import { type Unpacked, unpackContext } from '../context/unpacked.js'
import type { NodeLayers } from '../layers/node-layers.js'
import type { Workshop } from '../layers/workshop.js'
import { checkContext, type DockerfileSource, ignorePatterns, readDockerfile } from './build-request.js'

const IMAGE_SCHEME = 'docker-image://'
const STAGE_SCHEME = 'target:'

/** What contexts are read with. */
export interface ContextDeps {
  shop: Workshop
  layers: NodeLayers
  env: Readonly<Record<string, string | undefined>>
}

/** What of a request names contexts. */
export type ContextRequest = Pick<
  BuildRequest,
  'context' | 'contextStream' | 'file' | 'dockerfileText' | 'namedContexts' | 'signal'
>

/** The main context and the named ones, each opened once. */
export class Contexts {
  readonly #deps: ContextDeps
  readonly #request: ContextRequest
  readonly #named: ReadonlyMap<string, string>
  readonly #saves: (() => void)[] = []
  /** The main context, where it is no folder of this machine. */
  #unpacked: Unpacked | undefined
  #patterns: readonly string[] = []

  constructor(deps: ContextDeps, request: ContextRequest) {
    this.#deps = deps
    this.#request = request
    this.#named = new Map(Object.entries(request.namedContexts).map(([name, from]) => [contextName(name), from]))
  }

  /** Whether {@link load} has something to bring here first. */
  get isRemote(): boolean {
    return this.#request.contextStream !== undefined || remoteKind(this.#request.context) !== undefined
  }

  /** Brings a context here that is no folder. @throws TsboxError E_CONTEXT, E_HTTP and those of tars */
  async load(): Promise<void> {
    const { contextStream, context, file, dockerfileText } = this.#request
    this.#unpacked = contextStream ? await this.#spool(contextStream) : await this.#fetched(context)
    if ('text' in this.#unpacked && contextStream && (file !== undefined || dockerfileText !== undefined))
      throw new TsboxError('E_CONTEXT', 'ambiguous Dockerfile source: both stdin and flag correspond to Dockerfiles', {
        hint: 'leave --file out',
      })
    if ('tree' in this.#unpacked) this.#patterns = await this.#patternsIn(this.#unpacked.tree)
  }

  /** The Dockerfile of the build. @throws TsboxError E_CONTEXT_MISSING, E_DOCKERFILE_MISSING, E_DOCKERFILE_UNREADABLE */
  async dockerfile(): Promise<DockerfileSource> {
    const { dockerfileText } = this.#request
    if (!this.#unpacked) {
      checkContext(this.#request.context)
      return readDockerfile(this.#request)
    }
    if (dockerfileText !== undefined) return { text: dockerfileText, file: 'Dockerfile' }
    if ('text' in this.#unpacked) return { text: this.#unpacked.text, file: 'Dockerfile' }
    const text = await this.#text(this.#unpacked.tree, this.#dockerfilePath(this.#unpacked.tree))
    if (text !== undefined) return { text, file: this.#dockerfilePath(this.#unpacked.tree) }
    const path = this.#request.file ?? 'Dockerfile'
    throw new TsboxError('E_DOCKERFILE_MISSING', `failed to read dockerfile: open ${path}: no such file or directory`, {
      hint: 'it must be in the archive that is the context; name another file of it with -f',
    })
  }

  /** What a name stands for in FROM, COPY --from and mounts; undefined where no context has it. */
  named(name: string): NamedContext | undefined {
    const from = this.#named.get(contextName(name))
    if (from === undefined) return undefined
    if (from.startsWith(IMAGE_SCHEME)) return { kind: 'image', reference: from.slice(IMAGE_SCHEME.length) }
    if (from.startsWith(LAYOUT_SCHEME)) return { kind: 'image', reference: from }
    if (from.startsWith(STAGE_SCHEME)) return { kind: 'stage', stage: from.slice(STAGE_SCHEME.length) }
    return { kind: 'files' }
  }

  /** Files of the main context (`''`) or of a named one. */
  async tree(name: string): Promise<FileTree | undefined> {
    if (name === '') return this.#mainTree()
    const from = this.#named.get(contextName(name))
    if (from === undefined) return undefined
    if (remoteKind(from)) return this.#remoteTree(name, from)
    checkContext(from)
    return this.#open(from, patternsOf(textOf(join(from, '.dockerignore'))))
  }

  /** Patterns that the main context is filtered with. */
  ignorePatterns(): readonly string[] {
    return this.#unpacked ? this.#patterns : ignorePatterns(this.#request)
  }

  /** Remembers checksums for the next build. */
  save(): void {
    try {
      for (const save of this.#saves) save()
    } catch (err) {
      // A memory for the next build: a full disk must not make this one fail.
      if (!(err instanceof TsboxError)) throw err
    }
  }

  async #mainTree(): Promise<FileTree> {
    if (!this.#unpacked) return this.#open(this.#request.context, this.ignorePatterns())
    if ('text' in this.#unpacked) return this.#deps.layers.tree([])
    return new IgnoredTree(this.#unpacked.tree, this.#patterns)
  }

  async #patternsIn(tree: FileTree): Promise<string[]> {
    const own = await this.#text(tree, `${this.#dockerfilePath(tree)}.dockerignore`)
    return patternsOf(own ?? (await this.#text(tree, '.dockerignore')))
  }

  async #remoteTree(name: string, url: string): Promise<FileTree> {
    const got = await this.#fetched(url)
    if ('tree' in got) return new IgnoredTree(got.tree, patternsOf(await this.#text(got.tree, '.dockerignore')))
    throw new TsboxError('E_CONTEXT', `open context: what "${name}" names is no tar archive`)
  }

  async #fetched(url: string): Promise<Unpacked> {
    if (remoteKind(url) === 'git')
      throw new TsboxError('E_UNSUPPORTED', 'read build context: git repositories are not read yet', {
        hint: 'clone it and build the folder',
      })
    const { layers, shop, env } = this.#deps
    const { fetchFile } = await import('../fetch/remote-file.js')
    const { layer, path } = await fetchFile({ shop, layers, env, signal: this.#request.signal }, url)
    const tree = await layers.tree([layer])
    return unpackContext(layers, () => tree.stream(path), tree.lstat(path)!.size)
  }

  /** On disk first: it may be larger than memory, and only its content tells what it is. */
  async #spool(stream: AsyncIterable<Uint8Array>): Promise<Unpacked> {
    const { shop, layers } = this.#deps
    const writer = shop.store.blobs.writer(shop.lease)
    try {
      for await (const chunk of stream) writer.write(chunk)
      const { sizeBytes } = writer.end()
      return await unpackContext(layers, () => readChunks(writer.tempPath), sizeBytes)
    } finally {
      writer.abort()
    }
  }

  /** As in a folder, `dockerfile` stands in for a missing `Dockerfile`. */
  #dockerfilePath(tree: FileTree): string {
    const { file } = this.#request
    if (file !== undefined) return file.replace(/^(\.?\/)+/, '')
    return !tree.lstat('Dockerfile') && tree.lstat('dockerfile') ? 'dockerfile' : 'Dockerfile'
  }

  async #text(tree: FileTree, path: string): Promise<string | undefined> {
    const real = resolveInTree(tree, path)
    if (tree.lstat(real)?.type !== 'file') return undefined
    return new TextDecoder().decode(await tree.readFile(real))
  }

  #open(dir: string, patterns: readonly string[]): FileTree {
    const { store, lease } = this.#deps.shop
    const sums = store.sums.open(dir, lease)
    this.#saves.push(() => sums.save())
    return new DirTree(dir, patterns, sums, new StoredContents(store, lease, sums.layers))
  }
}

/** `docker.io/library/alpine:latest` and `alpine` are one name, as in BuildKit. */
function contextName(name: string): string {
  try {
    return parseReference(name).familiar.replace(/:latest$/, '')
  } catch {
    return name
  }
}

function patternsOf(text: string | undefined): string[] {
  return text === undefined ? [] : parseIgnoreFile(text)
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
