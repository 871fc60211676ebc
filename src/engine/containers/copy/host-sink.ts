import {
  chmodSync,
  closeSync,
  fchmodSync,
  futimesSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
} from 'node:fs'
import { encodeName } from '../../../base/bytes.js'
import { TsboxError } from '../../../base/error.js'
import { dirName } from '../../../base/path.js'
import type { Entry, EntrySink } from '../../../layer/entry.js'
import { diskPath } from '../../context/dir-files.js'
import { writeAll } from '../../output/sink.js'
import { copyErrors } from './host-source.js'
import { placedPath, type TarSize } from './placement.js'

/**
 * Writes what comes out of a container into a folder of this machine, everything owned by this user. What comes is a
 * stranger's: names are checked one by one, and no link that was there or that came is followed below the folder.
 *
 * @throws TsboxError E_COPY, from every method
 */
export class HostSink implements EntrySink {
  readonly #root: string
  readonly #as: string
  readonly #size: TarSize
  /** Folders that were seen to be folders, and no links to any. */
  readonly #folders = new Set<string>([''])
  /** Their modes and times come last: one may not be writable, and what is made in it sets its time. */
  readonly #later: Entry[] = []
  #open: { fd: number; entry: Entry; missing: number } | undefined

  /** @param root existing folder; what the user named, links in it followed. @param as name in it, '' for contents */
  constructor(root: string, as: string, size: TarSize) {
    this.#root = root
    this.#as = as
    this.#size = size
  }

  entry(found: Entry): void {
    const path = placedPath(this.#as, found.path)
    this.#size.add(found.size)
    if (path === '') return
    const entry = { ...found, path }
    this.#check(path)
    copyErrors(() => this.#make(entry))
  }

  data(chunk: Uint8Array): void {
    const open = this.#open
    if (!open || chunk.length > open.missing) throw new TsboxError('E_COPY', 'copy: more content than announced')
    copyErrors(() => writeAll(open.fd, chunk))
    open.missing -= chunk.length
    if (open.missing === 0) this.#finishFile()
  }

  /** Sets what comes last. */
  end(): void {
    for (const entry of this.#later.reverse())
      copyErrors(() => {
        const path = this.#disk(entry.path)
        chmodSync(path, entry.mode)
        utimesSync(path, entry.mtime, entry.mtime)
      })
  }

  /** Harmless after the end. */
  abort(): void {
    if (this.#open) closeSync(this.#open.fd)
    this.#open = undefined
  }

  #disk(path: string): string | Buffer {
    return diskPath(this.#root === '/' ? '' : this.#root, path)
  }

  #check(path: string): void {
    const bad = path.includes('\0') || path.split('/').some((name) => name === '' || name === '.' || name === '..')
    const dir = dirName(path)
    if (bad || !this.#folders.has(dir)) throw new TsboxError('E_COPY', `copy: a name that leads elsewhere: "${path}"`)
  }

  #make(entry: Entry): void {
    const path = this.#disk(entry.path)
    if (entry.type === 'dir') {
      this.#makeFolder(entry, path)
      return
    }
    if (lstatSync(path, { throwIfNoEntry: false })?.isDirectory())
      throw new TsboxError('E_COPY', `cannot overwrite directory "${shown(path)}" with non-directory`)
    if (lstatSync(path, { throwIfNoEntry: false })) unlinkSync(path)
    if (entry.type === 'file') {
      this.#open = { fd: openSync(path, 'wx', 0o600), entry, missing: entry.size }
      if (entry.size === 0) this.#finishFile()
    } else if (entry.type === 'symlink') {
      symlinkSync(Buffer.from(encodeName(entry.link ?? '')), path)
      lutimesSync(path, entry.mtime, entry.mtime)
    } else if (entry.type === 'hardlink') {
      const target = placedPath(this.#as, entry.link ?? '')
      this.#check(target)
      linkSync(this.#disk(target), path)
    } else
      throw new TsboxError('E_COPY', `copy: a ${entry.type} can't be made by a user: "${shown(path)}"`, {
        hint: 'copy to -, which is a tar',
      })
  }

  #makeFolder(entry: Entry, path: string | Buffer): void {
    const there = lstatSync(path, { throwIfNoEntry: false })
    if (there && !there.isDirectory())
      throw new TsboxError('E_COPY', `cannot overwrite non-directory "${shown(path)}" with directory`)
    if (!there) mkdirSync(path, 0o700)
    else if ((there.mode & 0o700) !== 0o700) chmodSync(path, 0o700)
    this.#folders.add(entry.path)
    this.#later.push(entry)
  }

  #finishFile(): void {
    const { fd, entry } = this.#open!
    this.#open = undefined
    try {
      fchmodSync(fd, entry.mode)
      futimesSync(fd, entry.mtime, entry.mtime)
    } finally {
      closeSync(fd)
    }
  }
}

function shown(path: string | Buffer): string {
  return path.toString()
}
