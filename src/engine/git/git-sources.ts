import { TsboxError } from '../../base/error.js'
import { type GitSource, splitCredentials } from '../../base/git-url.js'
import { canonicalJson } from '../../base/hash.js'
import { redactRemote } from '../../base/url.js'
import type { StartTransfer } from '../../build/progress/transfer.js'
import type { GitCommit, Layer } from '../../build/seams.js'
import { nodeSha256 } from '../../util/hash.js'
import { removeOwnTree } from '../../util/remove-tree.js'
import type { NodeLayers } from '../layers/node-layers.js'
import { once, type Workshop } from '../layers/workshop.js'
import { checkOut } from './checkout.js'
import type { GitAccess } from './git-command.js'
import { writeCheckout } from './git-layer.js'
import { authorization } from './git-secrets.js'
import { type ResolvedRef, resolveRef } from './resolve-ref.js'

/** What fetching stands on. */
export interface GitDeps {
  shop: Workshop
  layers: NodeLayers
  env: Readonly<Record<string, string | undefined>>
  signal: AbortSignal
  /** Content of a secret of the build, undefined where it was not given. */
  secret(id: string): Promise<Uint8Array | undefined>
  /** Socket of an agent that was given to the build. */
  agentSocket(id: string): Promise<string | undefined>
}

/** Who asks: the Dockerfile, which gets only what was given to the build, or the user's own command line. */
export type GitAsker = 'dockerfile' | 'user'

/** The id of the agent that repositories behind ssh are fetched with. */
const AGENT = 'default'

/**
 * Files of git repositories as layers of the store. A checkout is remembered by the repository and the commit, so that
 * the same commit is fetched once; its layer goes with the build cache.
 */
export class GitSources {
  readonly #deps: GitDeps
  readonly #asker: GitAsker
  readonly #resolved = new Map<string, Promise<GitCommit>>()
  readonly #layers = new Map<string, Promise<Layer>>()

  constructor(deps: GitDeps, asker: GitAsker) {
    this.#deps = deps
    this.#asker = asker
  }

  /** The commit that a source means; asked once in a build. @throws TsboxError as {@link resolveRef}, E_NO_SSH */
  resolve(source: GitSource): Promise<GitCommit> {
    return once(this.#resolved, canonicalJson({ ...source, keepGitDir: source.keepGitDir === true }), async () => {
      const { remote } = splitCredentials(source.remote)
      const ref = await resolveRef({ ...source, remote }, await this.#access(source))
      const key = recordKey({ ...source, remote }, ref)
      return { ...ref, key, cached: this.#known(key) !== undefined }
    })
  }

  /** The files of a commit, fetched where they are not in the store. @throws TsboxError E_GIT_FETCH, E_GIT_REF, E_GIT_SUBDIR */
  layer(source: GitSource, commit: GitCommit, transfer?: StartTransfer): Promise<Layer> {
    return once(this.#layers, commit.key, async () => this.#known(commit.key) ?? this.#fetch(source, commit, transfer))
  }

  #known(key: string): Layer | undefined {
    const { store, lease } = this.#deps.shop
    const layer = store.cache.get(key, Date.now())?.layer
    return layer && store.keepLayer(layer, lease) ? layer : undefined
  }

  async #fetch(source: GitSource, commit: GitCommit, transfer?: StartTransfer): Promise<Layer> {
    const { shop, layers } = this.#deps
    const { key } = commit
    const { remote } = splitCredentials(source.remote)
    const dir = shop.lease.tempPath('git')
    try {
      const access = await this.#access(source)
      const moved = transfer?.('receiving objects', 0)
      const mtime = await checkOut({ ...source, remote }, commit, dir, { ...access, received: (n) => moved?.add(n) })
      moved?.end()
      const layer = await writeCheckout(dir, { ...source, keepGitDir: keepsGitDir(source), mtime }, layers.writer())
      shop.store.cache.put(key, { key, layer, created: shop.now() }, shop.lease)
      return layer
    } finally {
      removeOwnTree(dir)
    }
  }

  async #access(source: GitSource): Promise<GitAccess> {
    const { env, signal, secret } = this.#deps
    const settings = await authorization(source.remote, secret)
    const access = { env, signal, settings, ownSsh: this.#asker === 'user' }
    const given = await this.#deps.agentSocket(AGENT)
    if (given !== undefined) return { ...access, agentSocket: given }
    if (this.#asker === 'user') return { ...access, agentSocket: env.SSH_AUTH_SOCK }
    if (!/^ssh:|^[^/]*@/.test(source.remote)) return access
    throw new TsboxError(
      'E_NO_SSH',
      `fetch git repository: no agent given to this build: "${redactRemote(source.remote)}"`,
      {
        hint: 'tsbox build --ssh default, or --ssh default=KEYFILE',
      },
    )
  }
}

/** As in BuildKit, `.git` belongs to a whole repository only. */
function keepsGitDir({ keepGitDir, subdir }: GitSource): boolean {
  return keepGitDir === true && subdir === ''
}

/** What decides a checkout. Without credentials: who was let in once has the files. */
function recordKey(source: GitSource, { commit, name, tag }: ResolvedRef): string {
  const { remote, subdir, submodules } = source
  // A kept repository has the ref under its name, too.
  const kept = keepsGitDir(source) ? { name: name ?? null, tag: tag ?? null } : null
  return nodeSha256()
    .update(canonicalJson({ git: remote, commit, subdir, submodules, kept }))
    .hex()
}
