import {
  chmodSync,
  closeSync,
  fchmodSync,
  futimesSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { encodeName } from '../../base/bytes.js'
import { TsboxError } from '../../base/error.js'
import { dirName } from '../../base/path.js'
import type { StartTransfer } from '../../build/progress/transfer.js'
import type { FileTree } from '../../build/seams.js'
import type { Entry } from '../../layer/entry.js'
import { diskPath } from '../context/dir-files.js'
import { outputErrors, tempBeside, writeAll } from './sink.js'
import { entriesOf } from './tree-tar.js'

/** What ends an output, and where its bytes are told of. */
export interface WriteWatch {
  signal: AbortSignal
  transfer: StartTransfer
}

/**
 * Writes a tree's files into a folder: modes, times and links as they are, everything owned by this user. A new folder
 * appears whole; in one that is there each file is replaced by rename, what the tree doesn't have stays, and no link in
 * it is followed.
 *
 * @param dir absolute
 * @throws TsboxError E_OUTPUT for devices, pipes, and folders in the way of files
 */
export async function writeFolder(tree: FileTree, dir: string, watch: WriteWatch): Promise<void> {
  const there = outputErrors(dir, () => lstatSync(dir, { throwIfNoEntry: false }))
  if (there) return new FolderWriter(tree, dir, watch).write()
  const temp = tempBeside(dir)
  outputErrors(dir, () => mkdirSync(dirname(dir), { recursive: true }))
  try {
    outputErrors(dir, () => mkdirSync(temp))
    await new FolderWriter(tree, temp, watch).write()
    outputErrors(dir, () => renameSync(temp, dir))
  } catch (err) {
    rmSync(temp, { recursive: true, force: true })
    throw err
  }
}

class FolderWriter {
  readonly #tree: FileTree
  readonly #root: string
  readonly #signal: AbortSignal
  readonly #transfer: StartTransfer

  constructor(tree: FileTree, root: string, { signal, transfer }: WriteWatch) {
    this.#tree = tree
    this.#root = root
    this.#signal = signal
    this.#transfer = transfer
  }

  async write(): Promise<void> {
    const entries = [...entriesOf(this.#tree)]
    for (const e of entries) if (e.type !== 'file') this.#do(e.path, () => this.#make(e))
    await this.#writeFiles(entries.filter((e) => e.type === 'file'))
    // Last, and from below: a folder may not be writable, and what is made in it sets its time.
    for (const e of entries.reverse()) if (e.type === 'dir') this.#do(e.path, () => this.#finishDir(e))
  }

  #make(entry: Entry): void {
    const path = diskPath(this.#root, entry.path)
    if (entry.type === 'dir') {
      const there = lstatSync(path, { throwIfNoEntry: false })
      if (there && !there.isDirectory()) unlinkSync(path)
      if (!there?.isDirectory()) mkdirSync(path, 0o700)
      else if ((there.mode & 0o700) !== 0o700) chmodSync(path, 0o700)
    } else if (entry.type === 'symlink') {
      this.#clear(path, entry.path)
      symlinkSync(encodedLink(entry.link ?? ''), path)
      lutimesSync(path, entry.mtime, entry.mtime)
    } else
      throw new TsboxError('E_OUTPUT', `write output: a ${entry.type} can't be made by a user: "/${entry.path}"`, {
        hint: 'use type=tar, or remove it in the Dockerfile',
      })
  }

  #clear(path: string | Buffer, shown: string): void {
    const there = lstatSync(path, { throwIfNoEntry: false })
    if (there?.isDirectory()) throw new TsboxError('E_OUTPUT', `write output: a folder is in the way: "${shown}"`)
    if (there) unlinkSync(path)
  }

  async #writeFiles(files: readonly Entry[]): Promise<void> {
    const moved = this.#transfer(
      'copying files',
      files.reduce((sum, f) => sum + f.size, 0),
    )
    let open: { entry: Entry; fd: number; temp: string | Buffer } | undefined
    const finish = () => {
      const done = open
      open = undefined
      if (done) this.#do(done.entry.path, () => this.#finishFile(done.entry, done.fd, done.temp))
    }
    const begin = (entry: Entry) => {
      finish()
      this.#signal.throwIfAborted()
      const temp = diskPath(this.#root, tempBeside(`${dirName(entry.path)}/`).replace(/^\//, ''))
      open = { entry, temp, fd: this.#do(entry.path, () => openSync(temp, 'wx', 0o600)) }
    }
    try {
      await this.#tree.readFiles(
        files.map((f) => f.path),
        (i) => begin(files[i]!),
        (chunk) => {
          this.#do(open!.entry.path, () => writeAll(open!.fd, chunk))
          moved.add(chunk.length)
        },
      )
      finish()
      moved.end()
    } finally {
      // Set only where something failed in the middle of a file.
      const left = open as { fd: number; temp: string | Buffer } | undefined
      if (left) {
        closeSync(left.fd)
        rmSync(left.temp, { force: true })
      }
    }
  }

  #finishFile(entry: Entry, fd: number, temp: string | Buffer): void {
    try {
      fchmodSync(fd, entry.mode)
      futimesSync(fd, entry.mtime, entry.mtime)
    } finally {
      closeSync(fd)
    }
    const path = diskPath(this.#root, entry.path)
    try {
      this.#clear(path, entry.path)
      renameSync(temp, path)
    } catch (err) {
      rmSync(temp, { force: true })
      throw err
    }
  }

  #finishDir(entry: Entry): void {
    const path = diskPath(this.#root, entry.path)
    chmodSync(path, entry.mode)
    utimesSync(path, entry.mtime, entry.mtime)
  }

  #do<T>(path: string, task: () => T): T {
    return outputErrors(`${this.#root}/${path}`, task)
  }
}

function encodedLink(link: string): string | Buffer {
  return /[\udc80-\udcff]/.test(link) ? Buffer.from(encodeName(link)) : link
}
