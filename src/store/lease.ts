import { closeSync, openSync, readFileSync, rmdirSync, writeSync } from 'node:fs'
import { errnoCode } from '../base/error.js'
import { withDir } from '../util/atomic.js'
import { waitForClaim } from '../util/claim.js'
import { formatIdentity, isAlive, parseIdentity, selfIdentity } from '../util/identity.js'
import { makeDirs } from '../util/make-dir.js'
import { namesIn } from '../util/names-in.js'
import { randomId } from '../util/random.js'
import { removeOwnTree } from '../util/remove-tree.js'
import { withStorageErrors } from '../util/storage-error.js'
import { unlinkIfThere } from '../util/unlink.js'
import type { Place } from './place.js'

/**
 * Something that garbage collection must not take.
 * - `manifest`: the manifest and all it names
 * - `blob`: one blob
 * - `layer`: a diffID in all its forms
 * - `snapshot`: `MODE/ID`
 */
export type PinKind = 'manifest' | 'blob' | 'layer' | 'snapshot'

/** Something pinned. */
export interface Pin {
  kind: PinKind
  id: string
}

/** Name of the claim that garbage collection holds while it marks and moves. */
export const GC_CLAIM = ['leases', 'gc.claim'] as const

/**
 * Keeps what one process works with. Pins are lines of one file in `leases/`, named after the process; what is half
 * made lives in `tmp/` under the same name, so that anyone can tell what a dead process left.
 *
 * Nothing is written until the first pin or temporary name is asked for.
 */
export class Lease {
  readonly name = `${formatIdentity(selfIdentity())}-${randomId()}`
  readonly #place: Place
  readonly #pinned = new Set<string>()
  #fd: number | undefined
  #tempMade = false
  #closed = false
  #count = 0

  constructor(place: Place) {
    this.#place = place
  }

  /**
   * Pins, and only then looks: the answer stays true until the lease is closed. Waits where a garbage collection is
   * under way, which may have read the pins already; collection marks and moves without a pause, so that is short.
   *
   * @param exists asked after the pin is in force
   */
  pin(kind: PinKind, id: string, exists: () => boolean): boolean {
    this.hold(kind, id)
    return exists()
  }

  /** Pins what is about to be published, before it is. */
  hold(kind: PinKind, id: string): void {
    const line = `${kind} ${id}\n`
    if (this.#pinned.has(line)) return
    const file = this.#place.path('leases', this.name)
    withStorageErrors('write lease', file, () => {
      this.#fd ??= this.#open(file)
      // A line of its own even behind one that a full disk cut.
      writeSync(this.#fd, `\n${line}`)
    })
    // The pin is written, now look for the collector; the collector claims, then reads pins: one of us sees the other.
    waitForClaim(this.#place.path(...GC_CLAIM))
    this.#pinned.add(line)
  }

  /** A name in `tmp/` that nobody else uses; the folder exists. */
  tempPath(prefix: string): string {
    const dir = this.#place.path('tmp', this.name)
    if (!this.#tempMade) {
      this.#place.prepare()
      withStorageErrors('write to the store', dir, () => withDir(this.#place.path('tmp'), () => makeDirs(dir, 0o700)))
      this.#tempMade = true
    }
    return `${dir}/${prefix}-${this.#count++}`
  }

  /**
   * Ends all pins and removes what is left in the lease's `tmp/`, except what belongs to mapped users (collection
   * removes that). Idempotent.
   */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    if (this.#tempMade) removeOwnTree(this.#place.path('tmp', this.name))
    if (this.#fd !== undefined) {
      closeSync(this.#fd)
      unlinkIfThere(this.#place.path('leases', this.name))
    }
    if (this.#tempMade || this.#fd !== undefined) removeEmptyDirs([this.#place.path('tmp'), this.#place.path('leases')])
  }

  #open(file: string): number {
    if (this.#closed) throw new Error('lease is closed')
    this.#place.prepare()
    sweepDeadLeases(this.#place)
    return withDir(this.#place.path('leases'), () => openSync(file, 'ax', 0o600))
  }
}

const PIN = /^(?:(manifest|blob|layer)(?= sha256:[0-9a-f]{64}$)|(snapshot)(?= [a-z]+\/[0-9a-f]{16}$)) (.*)$/

/** Pins of all leases whose process lives. */
export function livePins(place: Place): Pin[] {
  const pins: Pin[] = []
  for (const name of liveLeases(place)) {
    // A last line without an end was not yet returned from: its holder will look again.
    const lines = readText(place.path('leases', name)).split('\n').slice(0, -1)
    for (const line of lines) {
      const m = PIN.exec(line)
      if (m) pins.push({ kind: (m[1] ?? m[2]) as PinKind, id: m[3]! })
    }
  }
  return pins
}

/** Names of the leases whose process lives. */
export function liveLeases(place: Place): string[] {
  return namesIn(place.path('leases')).filter(isLiveName)
}

/** Removes the lease files of dead processes; what they left in `tmp/` is listed for {@link deadTemps}. */
export function sweepDeadLeases(place: Place): void {
  for (const name of namesIn(place.path('leases')))
    if (parseIdentity(name) && !isLiveName(name)) unlinkIfThere(place.path('leases', name))
}

/** Folders and files in `tmp/` that belong to no live process. */
export function deadTemps(place: Place): string[] {
  return namesIn(place.path('tmp'))
    .filter((name) => !isLiveName(name))
    .map((name) => place.path('tmp', name))
}

function isLiveName(name: string): boolean {
  const id = parseIdentity(name)
  return id !== undefined && isAlive(id)
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch (err) {
    if (errnoCode(err) === 'ENOENT') return ''
    throw err
  }
}

/** Removes folders that have become empty; the store's root stays. */
export function removeEmptyDirs(dirs: readonly string[]): void {
  for (const dir of dirs) {
    try {
      rmdirSync(dir)
    } catch {}
  }
}
