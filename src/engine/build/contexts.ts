import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { TsboxError } from '../../base/error.js'
import { redactRemote, remoteKind } from '../../base/url.js'
import { parseIgnoreFile } from '../../build/context/ignore-file.js'
import { IgnoredTree } from '../../build/context/ignored-tree.js'
import type { NamedContext } from '../../build/graph/plan-options.js'
import { resolveInTree } from '../../build/ops/resolve.js'
import type { StartTransfer } from '../../build/progress/transfer.js'
import type { FileTree, Layer } from '../../build/seams.js'
import { LAYOUT_SCHEME } from '../../oci/layout.js'
import { parseReference } from '../../oci/reference.js'
import { readChunks } from '../../util/read-chunks.js'
import type { BuildRequest } from '../api.js'
import { DirTree } from '../context/dir-tree.js'
import { StoredContents } from '../context/stored-contents.js'
import { type Unpacked, unpackContext } from '../context/unpacked.js'
import type { GitAsker, GitSources } from '../git/git-sources.js'
import type { NodeLayers } from '../layers/node-layers.js'
import type { Workshop } from '../layers/workshop.js'
import { SshAgents } from '../ssh/agents.js'
import { buildArgs, checkContext, type DockerfileSource, ignorePatterns, readDockerfile } from './build-request.js'
import { secretValue } from './secret-value.js'

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
  'context' | 'contextStream' | 'file' | 'dockerfileText' | 'buildArgs' | 'namedContexts' | 'secrets' | 'ssh' | 'signal'
>

/** The main context and the named ones, each opened once, and what gives access to those that are not here. */
export class Contexts {
  readonly #deps: ContextDeps
  readonly #request: ContextRequest
  readonly #named: ReadonlyMap<string, string>
  readonly #saves: (() => void)[] = []
  /** The main context, where it is no folder of this machine. */
  #unpacked: Unpacked | undefined
  #patterns: readonly string[] = []
  readonly #git = new Map<GitAsker, GitSources>()
  /** Agents that were given to the build. */
  readonly agents: SshAgents

  constructor(deps: ContextDeps, request: ContextRequest) {
    this.#deps = deps
    this.#request = request
    this.#named = new Map(Object.entries(request.namedContexts).map(([name, from]) => [contextName(name), from]))
    this.agents = new SshAgents(request.ssh ?? {}, deps.env, deps.shop.lease)
  }

  /** Content of a secret of the build. */
  secret(id: string): Promise<Uint8Array | undefined> {
    return secretValue(this.#request.secrets, this.#deps.env, id)
  }

  /** Repositories as the Dockerfile may have them, or as the command line. */
  async git(asker: GitAsker): Promise<GitSources> {
    // Loaded here only: few builds have one.
    const { GitSources } = await import('../git/git-sources.js')
    const known = this.#git.get(asker)
    if (known) return known
    const agentSocket = async (id: string) => (await this.agents.agent(id))?.socket
    const { signal } = this.#request
    const git = new GitSources({ ...this.#deps, signal, secret: (id) => this.secret(id), agentSocket }, asker)
    this.#git.set(asker, git)
    return git
  }

  /** Ends what was started for the build. Idempotent. */
  close(): Promise<void> {
    return this.agents.close()
  }

  /** Whether {@link load} has something to bring here first. */
  get isRemote(): boolean {
    return this.#request.contextStream !== undefined || remoteKind(this.#request.context) !== undefined
  }

  /** What progress calls {@link load}. */
  get loadTitle(): string {
    const { context, contextStream } = this.#request
    const git = !contextStream && remoteKind(context) === 'git'
    return git ? `[internal] load git source ${redactRemote(context)}` : '[internal] load remote build context'
  }

  /** Brings a context here that is no folder. @throws TsboxError E_CONTEXT, E_HTTP, those of tars and of git */
  async load(transfer?: StartTransfer): Promise<void> {
    const { contextStream, context, file, dockerfileText } = this.#request
    this.#unpacked = contextStream ? await this.#spool(contextStream, transfer) : await this.#fetched(context, transfer)
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
      hint: 'it must be in the archive or repository that is the context; name another file of it with -f',
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

  async #fetched(url: string, transfer?: StartTransfer): Promise<Unpacked> {
    const { layers, shop, env } = this.#deps
    if (remoteKind(url) === 'git') return { tree: await layers.tree([await this.#repository(url, transfer)]) }
    const { fetchFile } = await import('../fetch/remote-file.js')
    const { layer, path } = await fetchFile({ shop, layers, env, signal: this.#request.signal, transfer }, url)
    const tree = await layers.tree([layer])
    return unpackContext(layers, () => tree.stream(path), tree.lstat(path)!.size)
  }

  async #repository(url: string, transfer?: StartTransfer): Promise<Layer> {
    const { parseGitUrl } = await import('../../base/git-url.js')
    const source = parseGitUrl(url)
    const keepGitDir = source.keepGitDir ?? keepsGitDir(buildArgs(this.#request, this.#deps.env))
    const git = await this.git('user')
    return git.layer({ ...source, keepGitDir }, await git.resolve({ ...source, keepGitDir }), transfer)
  }

  /** On disk first: it may be larger than memory, and only its content tells what it is. */
  async #spool(stream: AsyncIterable<Uint8Array>, transfer?: StartTransfer): Promise<Unpacked> {
    const { shop, layers } = this.#deps
    const writer = shop.store.blobs.writer(shop.lease)
    try {
      const moved = transfer?.('transferring context', 0)
      for await (const chunk of stream) {
        writer.write(chunk)
        moved?.add(chunk.length)
      }
      moved?.end()
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

/** @see Dockerfile reference, "BuildKit built-in build args" */
function keepsGitDir({ BUILDKIT_CONTEXT_KEEP_GIT_DIR: value }: Readonly<Record<string, string>>): boolean {
  return /^(?:1|t|true)$/i.test(value ?? '')
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
