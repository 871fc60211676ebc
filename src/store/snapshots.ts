import { lstatSync, mkdirSync } from 'node:fs'
import { TsboxError } from '../base/error.js'
import { canonicalJson } from '../base/hash.js'
import { digestHex } from '../oci/digest.js'
import { bootId } from '../util/identity.js'
import { namesIn } from '../util/names-in.js'
import { randomId } from '../util/random.js'
import { storageError } from '../util/storage-error.js'
import type { Lease } from './lease.js'
import type { Place } from './place.js'

/** How files of a snapshot are owned on disk: snapshots of different modes can't be stacked. */
export type SnapshotMode = 'subid' | 'single'

/** What is known of a snapshot. */
export interface SnapshotMeta {
  /** Boot in which it was written (or last verified). */
  bootId: string
  /** Digest of the layer's tar, once known. */
  diffID?: string | undefined
  /** Size of that tar in bytes, where it was known with the digest. */
  tarSize?: number | undefined
  /** Seconds since 1970. */
  created: number
}

/** A snapshot's layer as a tar. */
export interface SnapshotTar {
  diffID: string
  /** Bytes. */
  tarSize?: number | undefined
}

/**
 * - `trusted`: written in this boot
 * - `verify`: from an earlier boot; its tar must have the diffID still, say so with markVerified
 * - `gone`: not there, or from an earlier boot and nothing to compare with: snapshots are not synced to disk
 */
export type SnapshotState = 'trusted' | 'verify' | 'gone'

/** A snapshot in the making, in the lease's folder on the same file system. */
export interface SnapshotDraft {
  id: string
  mode: SnapshotMode
  /** Exists, mode 0700; put `fs` (the layer's files), `work`, `owners` into it. */
  dir: string
}

/** Layers as directories, one folder each: `fs` and, where the mode needs them, `work` and `owners`. */
export class SnapshotStore {
  readonly #place: Place
  /** What never changes of a snapshot: a cached build asks for it twice. */
  readonly #tars = new Map<string, SnapshotTar>()

  constructor(place: Place) {
    this.#place = place
  }

  /** Folder of a published snapshot. */
  dir(mode: string, id: string): string {
    return this.#place.path('snapshots', checkedMode(mode), checkedId(id))
  }

  /** The layer's files. */
  fsDir(mode: string, id: string): string {
    return `${this.dir(mode, id)}/fs`
  }

  /**
   * Begins a snapshot. What is never published goes with the lease.
   *
   * @throws TsboxError E_DISK_FULL, E_STORE_UNWRITABLE
   */
  allocate(mode: SnapshotMode, lease: Lease): SnapshotDraft {
    const dir = lease.tempPath('snapshot')
    try {
      mkdirSync(dir, { mode: 0o700 })
    } catch (err) {
      throw storageError(err, 'make snapshot', dir)
    }
    return { id: randomId(), mode, dir }
  }

  /** Publishes a draft by rename, pinned; nothing may be mounted on it. The draft's folder is gone then. */
  publish(draft: SnapshotDraft, lease: Lease, options: { created: number; diffID?: string | undefined }): string {
    const meta: SnapshotMeta = { bootId: bootId(), created: options.created, diffID: options.diffID }
    this.#place.write(`${draft.dir}/meta.json`, JSON.stringify(meta), lease.tempPath('meta'))
    lease.hold('snapshot', `${draft.mode}/${draft.id}`)
    this.#place.move(draft.dir, this.dir(draft.mode, draft.id))
    if (options.diffID) this.#link(draft.mode, options.diffID, draft.id, lease)
    return draft.id
  }

  /** What is known of a snapshot; undefined where it is not there. */
  meta(mode: string, id: string): SnapshotMeta | undefined {
    const meta = this.#place.readJson<SnapshotMeta>(`${this.dir(mode, id)}/meta.json`)
    if (meta?.diffID !== undefined) this.#tars.set(`${mode}/${id}`, { diffID: meta.diffID, tarSize: meta.tarSize })
    return meta
  }

  /** The tar that the snapshot was found to be; undefined where nobody has asked yet, or it is not there. */
  tar(mode: string, id: string): SnapshotTar | undefined {
    const key = `${mode}/${id}`
    if (!this.#tars.has(key)) this.meta(mode, id)
    return this.#tars.get(key)
  }

  state(mode: string, id: string): SnapshotState {
    const meta = this.meta(mode, id)
    if (!meta) return 'gone'
    if (meta.bootId === bootId()) return 'trusted'
    return meta.diffID ? 'verify' : 'gone'
  }

  /** Says that the snapshot's tar still has its diffID: it is trusted for the rest of this boot. */
  markVerified(mode: string, id: string, lease: Lease): void {
    const meta = this.meta(mode, id)
    if (meta) this.#writeMeta(mode, id, { ...meta, bootId: bootId() }, lease)
  }

  /** Remembers the tar of a snapshot, and the snapshot as the one of that diffID unless there is one. */
  setTar(mode: string, id: string, { diffID, tarSize }: SnapshotTar, lease: Lease): void {
    const meta = this.meta(mode, id)
    if (!meta) return
    if (meta.diffID !== diffID || meta.tarSize !== tarSize)
      this.#writeMeta(mode, id, { ...meta, diffID, tarSize }, lease)
    const known = this.byDiffID(mode, diffID)
    if (!known || this.state(mode, known) === 'gone') this.#link(mode, diffID, id, lease)
  }

  /** Id of a snapshot of the layer in that mode; undefined where there is none that exists. */
  byDiffID(mode: string, diffID: string): string | undefined {
    const id = this.#place.read(this.linkPath(mode, diffID))?.toString('latin1').trim()
    return id && isId(id) && this.exists(mode, id) ? id : undefined
  }

  exists(mode: string, id: string): boolean {
    return lstatSync(this.dir(mode, id), { throwIfNoEntry: false }) !== undefined
  }

  /** The file that leads from a diffID to a snapshot. */
  linkPath(mode: string, diffID: string): string {
    return this.#place.path('diffids', checkedMode(mode), digestHex(diffID))
  }

  /** All published snapshots. */
  list(): { mode: string; id: string }[] {
    const out: { mode: string; id: string }[] = []
    for (const mode of namesIn(this.#place.path('snapshots')))
      for (const id of namesIn(this.#place.path('snapshots', mode))) if (isId(id)) out.push({ mode, id })
    return out
  }

  /** Takes a snapshot out of the store into `trash`, which is to be deleted. */
  retire(mode: string, id: string, trash: string): void {
    this.#place.move(this.dir(mode, id), trash)
  }

  /**
   * Snapshots hold the host's ids of one id map. The first use writes the map down, later ones compare.
   *
   * @param map anything that says how ids map, equal if and only if ids on disk mean the same
   * @throws TsboxError E_IDMAP_CHANGED
   */
  checkMap(mode: SnapshotMode, map: unknown, lease: Lease): void {
    const path = this.#place.path('snapshots', checkedMode(mode), 'map.json')
    const text = canonicalJson(map)
    const known = this.#place.readJson<unknown>(path)
    if (known !== undefined && canonicalJson(known) === text) return
    if (known !== undefined && namesIn(this.#place.path('snapshots', mode)).some(isId))
      throw new TsboxError(
        'E_IDMAP_CHANGED',
        `use snapshots: they were made with another id map: ${canonicalJson(known)}`,
        {
          hint: 'restore the ranges in /etc/subuid and /etc/subgid, or remove the snapshots with tsbox system prune -a',
        },
      )
    this.#place.write(path, text, lease.tempPath('map'))
  }

  #link(mode: string, diffID: string, id: string, lease: Lease): void {
    this.#place.write(this.linkPath(mode, diffID), `${id}\n`, lease.tempPath('link'))
  }

  #writeMeta(mode: string, id: string, meta: SnapshotMeta, lease: Lease): void {
    this.#place.write(`${this.dir(mode, id)}/meta.json`, JSON.stringify(meta), lease.tempPath('meta'))
  }
}

function isId(name: string): boolean {
  return /^[0-9a-f]{16}$/.test(name)
}

function checkedId(id: string): string {
  if (!isId(id)) throw new TsboxError('E_SNAPSHOT_INVALID', `find snapshot: malformed id: "${id}"`)
  return id
}

function checkedMode(mode: string): string {
  if (mode !== 'subid' && mode !== 'single')
    throw new TsboxError('E_SNAPSHOT_INVALID', `find snapshot: unknown id mode: "${mode}"`)
  return mode
}
