import { lstatSync, statSync, symlinkSync, utimesSync } from 'node:fs'
import { dirname } from 'node:path'
import { withDir } from '../util/atomic.js'
import { type Claim, liveClaim, tryClaim } from '../util/claim.js'
import { sha256Hex } from '../util/hash.js'
import { formatIdentity, isAlive, parseIdentity, selfIdentity } from '../util/identity.js'
import { namesIn } from '../util/names-in.js'
import { randomId } from '../util/random.js'
import { unlinkIfThere } from '../util/unlink.js'
import type { LayerRef } from './cache.js'
import type { Lease } from './lease.js'
import type { Place } from './place.js'
import type { SnapshotMode } from './snapshots.js'

/** Who may use a cache mount at once. @see Dockerfile reference, RUN --mount=type=cache */
export type Sharing = 'shared' | 'private' | 'locked'

/** A cache mount in use. */
export interface CacheMount {
  /** Folder to mount; may not exist yet. */
  dir: string
  /** True where the folder does not exist yet: it is to be made, and seeded from `from=`. */
  fresh: boolean
  /** Lets others in. Idempotent. */
  release(): void
}

/** What is asked for. */
export interface CacheMountRequest {
  id: string
  sharing: Sharing
  mode: SnapshotMode
  signal?: AbortSignal | undefined
}

/** What a mount is, as the Dockerfile asked for it. */
export interface MountAbout {
  id: string
  mode: number
  uid: number
  gid: number
  /** What it was filled with at first. */
  seed?: { path: string; layers: readonly LayerRef[] } | undefined
}

/** A cache mount of the store. */
export interface StoredMount {
  /** Of its folder in `mounts/`. */
  name: string
  idMode: string
  /** Its folder; what is mounted is `data/fs` in it. */
  dir: string
  /** Undefined for one that was made before this was written down. */
  about: MountAbout | undefined
  /** Milliseconds since 1970, when a step last had it. */
  usedMs: number
  /** Milliseconds since 1970. */
  createdMs: number
  inUse: boolean
}

const POLL_MS = 25
const ABOUT = 'about.json'

/**
 * Cache mounts: `mounts/<mode>-<hash>/` with `data`, a claim `lock` and `users/`. Shared users register in `users/`, a
 * locked one claims `lock` and waits until no user is left; a user that finds the lock claimed steps back. A `private`
 * mount is the first of a row that nobody uses.
 */
export class MountStore {
  readonly #place: Place

  constructor(place: Place) {
    this.#place = place
  }

  /** Waits for a locked mount. @throws what `signal` aborts with */
  async acquire(request: CacheMountRequest): Promise<CacheMount> {
    this.#place.prepare()
    if (request.sharing === 'private') return this.#private(request)
    const dir = this.#dir(request, 0)
    const release = request.sharing === 'locked' ? await lock(dir, request.signal) : await share(dir, request.signal)
    return mountAt(dir, release)
  }

  /** Writes down what a mount in use is, and that it is used now. */
  note(mount: CacheMount, about: MountAbout, lease: Lease, nowMs: number): void {
    const path = `${dirname(mount.dir)}/${ABOUT}`
    if (!lstatSync(path, { throwIfNoEntry: false }))
      this.#place.write(path, JSON.stringify(about), lease.tempPath('mount'))
    else utimesSync(path, nowMs / 1000, nowMs / 1000)
  }

  /** All mounts, by name. */
  list(): StoredMount[] {
    return namesIn(this.#place.path('mounts')).flatMap((name) => {
      const dir = this.#place.path('mounts', name)
      const data = statSync(`${dir}/data`, { throwIfNoEntry: false })
      if (!data) return []
      const about = statSync(`${dir}/${ABOUT}`, { throwIfNoEntry: false })
      return {
        name,
        dir,
        idMode: name.split('-')[0]!,
        about: this.#place.readJson<MountAbout>(`${dir}/${ABOUT}`),
        usedMs: about?.mtimeMs ?? data.mtimeMs,
        createdMs: data.birthtimeMs || data.ctimeMs,
        inUse: liveClaim(`${dir}/lock`) !== undefined || liveUsers(dir) > 0,
      }
    })
  }

  /** Keeps a mount as it is for a reader; undefined where a step has it for itself. Release it. */
  tryShare({ dir }: StoredMount): CacheMount | undefined {
    const user = register(dir)
    if (liveClaim(`${dir}/lock`) === undefined && user.registered()) return mountAt(dir, user.release)
    user.release()
    return undefined
  }

  /**
   * Moves every mount that nobody uses to a name that `trash` makes, to be deleted.
   *
   * @param wanted names of the mounts that it is about; undefined: all
   */
  retireIdle(trash: () => string, wanted?: ReadonlySet<string>): void {
    for (const name of namesIn(this.#place.path('mounts'))) {
      if (wanted && !wanted.has(name)) continue
      const dir = this.#place.path('mounts', name)
      const claim = claimIn(dir)
      if (!claim) continue
      if (liveUsers(dir) === 0) this.#place.move(dir, trash())
      else claim.release()
    }
  }

  #private(request: CacheMountRequest): CacheMount {
    for (let n = 0; ; n++) {
      const dir = this.#dir(request, n)
      const claim = claimIn(dir)
      if (!claim) continue
      if (liveUsers(dir) === 0) return mountAt(dir, () => claim.release())
      claim.release()
    }
  }

  #dir({ id, mode }: CacheMountRequest, n: number): string {
    const name = sha256Hex(id).slice(0, 32)
    return this.#place.path('mounts', n === 0 ? `${mode}-${name}` : `${mode}-${name}-${n}`)
  }
}

function mountAt(dir: string, release: () => void): CacheMount {
  const data = `${dir}/data`
  return { dir: data, fresh: lstatSync(data, { throwIfNoEntry: false }) === undefined, release }
}

function claimIn(dir: string): Claim | undefined {
  return tryClaim(`${dir}/lock`)
}

async function lock(dir: string, signal: AbortSignal | undefined): Promise<() => void> {
  let claim = claimIn(dir)
  while (!claim) {
    await pause(signal)
    claim = claimIn(dir)
  }
  try {
    while (liveUsers(dir) > 0) await pause(signal)
  } catch (err) {
    claim.release()
    throw err
  }
  const held = claim
  return () => held.release()
}

async function share(dir: string, signal: AbortSignal | undefined): Promise<() => void> {
  for (;;) {
    const user = register(dir)
    // Registered first, then looked: of a user and a locker that come at once, at least one sees the other. Collection
    // locks too, and moves the folder away with lock and users: then the registration is gone.
    if (liveClaim(`${dir}/lock`) === undefined && user.registered()) return user.release
    user.release()
    await pause(signal)
  }
}

/** A symlink to nowhere in `users/`, whose text is the user. */
function register(dir: string): { release: () => void; registered: () => boolean } {
  const path = `${dir}/users/${formatIdentity(selfIdentity())}-${randomId()}`
  withDir(`${dir}/users`, () => symlinkSync('user', path))
  return {
    release: () => unlinkIfThere(path),
    registered: () => lstatSync(path, { throwIfNoEntry: false }) !== undefined,
  }
}

function liveUsers(dir: string): number {
  let live = 0
  for (const name of namesIn(`${dir}/users`)) {
    const id = parseIdentity(name)
    if (id && isAlive(id)) live++
    else unlinkIfThere(`${dir}/users/${name}`)
  }
  return live
}

async function pause(signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted()
  await new Promise((resolve) => setTimeout(resolve, POLL_MS))
}
