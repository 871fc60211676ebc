import { closeSync, mkdirSync, openSync, readFileSync, readSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { errnoCode, TsboxError } from '../base/error.js'
import { moveInto, withDir, writeFileAtomic } from '../util/atomic.js'
import { makeDirs } from '../util/make-dir.js'
import { withStorageErrors } from '../util/storage-error.js'
import { unlinkIfThere } from '../util/unlink.js'

/** Version of the layout; a store of a later one is refused. */
export const STORE_VERSION = 1

/** Everything that tsbox puts into the store's folder, beside files named after a process. */
export const STORE_NAMES: readonly string[] = [
  'blobs',
  'builds',
  'cache',
  'containers',
  'diffids',
  'downloads',
  'helper.json',
  'images',
  'leases',
  'manifests',
  'mode.json',
  'mounts',
  'origins',
  'snapshots',
  'sums',
  'tmp',
  'tocs',
  'version',
  'volumes',
]

/**
 * The store's folder. Folders below it come into being with the first thing that is put into them, so that opening a
 * store costs one read, and reading from one that was never written needs no write permission.
 */
export class Place {
  readonly root: string
  #versioned = false

  /** @throws TsboxError E_STORE_VERSION, E_STORE_UNWRITABLE */
  constructor(root: string) {
    this.root = resolve(root)
    this.#versioned = this.#checkVersion()
  }

  path(...parts: string[]): string {
    return `${this.root}/${parts.join('/')}`
  }

  /** Makes sure that the root exists and says its version: before the first write. */
  prepare(): void {
    if (this.#versioned) return
    withStorageErrors('open store', this.root, () => {
      makeDirs(this.root, 0o700)
      // Two processes may do this at once: both write the same, each under a name of its own.
      const temp = this.path(`version.${process.pid}`)
      writeFileAtomic(this.path('version'), `${STORE_VERSION}\n`, { temp })
    })
    this.#versioned = true
  }

  /** Replaces a file; `temp` is a name in the lease's folder. */
  write(path: string, data: Uint8Array | string, temp: string, sync = false): void {
    this.prepare()
    withStorageErrors('write to the store', path, () => writeFileAtomic(path, data, { temp, sync }))
  }

  /** Renames into the store. */
  move(from: string, to: string): void {
    withStorageErrors('write to the store', to, () => moveInto(from, to))
  }

  mkdir(path: string): void {
    this.prepare()
    withStorageErrors('write to the store', path, () => withDir(dirname(path), () => mkdirSync(path, { mode: 0o700 })))
  }

  /** Content of a file, undefined where there is none. */
  read(path: string): Buffer | undefined {
    try {
      return readFileSync(path)
    } catch (err) {
      if (errnoCode(err) === 'ENOENT' || errnoCode(err) === 'ENOTDIR') return undefined
      throw err
    }
  }

  /** The first bytes of a file, fewer where it is shorter; undefined where there is none. */
  readHead(path: string, count: number): Buffer | undefined {
    let fd: number
    try {
      fd = openSync(path, 'r')
    } catch (err) {
      if (errnoCode(err) === 'ENOENT') return undefined
      throw err
    }
    try {
      const head = Buffer.alloc(count)
      return head.subarray(0, readSync(fd, head, 0, count, 0))
    } finally {
      closeSync(fd)
    }
  }

  /** A JSON object; one that a crash of the machine cut short counts as absent. */
  readJson<T>(path: string): T | undefined {
    const bytes = this.read(path)
    if (!bytes) return undefined
    try {
      const value: unknown = JSON.parse(bytes.toString())
      return value !== null && typeof value === 'object' ? (value as T) : undefined
    } catch {
      return undefined
    }
  }

  /** Deletes a file; false where there was none. */
  unlink(path: string): boolean {
    return withStorageErrors('delete from the store', path, () => unlinkIfThere(path))
  }

  #checkVersion(): boolean {
    const bytes = withStorageErrors('open store', this.root, () => this.read(this.path('version')))
    if (!bytes) return false
    const text = bytes.toString().trim()
    // A crash may have cut it short: it is written anew.
    if (text === '') return false
    if (text === String(STORE_VERSION)) return true
    throw new TsboxError('E_STORE_VERSION', `open store: its layout is version "${text}", known is ${STORE_VERSION}`, {
      hint: `update tsbox, or use another folder with --root or TSBOX_ROOT: ${this.root}`,
    })
  }
}
