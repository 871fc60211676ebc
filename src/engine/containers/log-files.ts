import { closeSync, fstatSync, openSync, readSync, statSync, watch } from 'node:fs'

const PIECE = 256 * 1024
/** Between two looks where nothing tells of a change. */
const LOOK_MS = 200

/** One file of a log, open; its name may change. */
interface OpenFile {
  fd: number
  ino: number
  at: number
}

/**
 * The files of a log, read from the oldest to the newest as one, and on from where they were read last. The monitor
 * renames a full file (`log.json` to `log.json.1`, that to `log.json.2`, …) and begins a new one: each is followed by
 * its inode, which can't be used again while it is open.
 */
export class LogFiles {
  readonly #path: string
  /** Those that are not read to their end, the oldest first; the last one is the newest that is known. */
  #open: OpenFile[] | undefined

  /** @param path of the newest; files that are not there are empty */
  constructor(path: string) {
    this.#path = path
  }

  /** Whole lines that have come since the last time. */
  *read(): Generator<string> {
    this.#open = this.#open ? this.#next(this.#open) : this.#all()
    for (;;) {
      yield* linesOf(this.#open[0])
      if (this.#open.length < 2) return
      closeSync(this.#open.shift()!.fd)
    }
  }

  /** Settles when something may have been written, or after a while. */
  async change(signal: AbortSignal): Promise<void> {
    await new Promise<void>((done) => {
      const settle = () => {
        clearTimeout(timer)
        watcher?.close()
        signal.removeEventListener('abort', settle)
        done()
      }
      let watcher: ReturnType<typeof watch> | undefined
      try {
        watcher = watch(this.#path, settle).on('error', settle)
      } catch {
        // No watches left, or no file yet: looking again does as well.
      }
      const timer = setTimeout(settle, LOOK_MS)
      signal.addEventListener('abort', settle)
      if (this.#hasMore()) settle()
    })
  }

  close(): void {
    for (const { fd } of this.#open ?? []) closeSync(fd)
    this.#open = []
  }

  #hasMore(): boolean {
    const last = this.#open?.at(-1)
    if (!last) return inodeOf(this.#path) !== undefined
    return fstatSync(last.fd).size > last.at || inodeOf(this.#path) !== last.ino
  }

  #name(age: number): string {
    return age === 0 ? this.#path : `${this.#path}.${age}`
  }

  /** All that are there. The newest is opened first: one that is renamed meanwhile is met again, and none is missed. */
  #all(): OpenFile[] {
    return this.#since(undefined)
  }

  /** The file that was read last, to be read to its end, and those that came after it. */
  #next(open: OpenFile[]): OpenFile[] {
    const last = open[0]
    if (!last) return this.#all()
    return inodeOf(this.#path) === last.ino ? open : [last, ...this.#since(last.ino)]
  }

  /** Files that are newer than one, the oldest first; where that is gone, all. */
  #since(ino: number | undefined): OpenFile[] {
    const found: OpenFile[] = []
    for (let age = 0, missing = 0; ; age++) {
      const file = openFile(this.#name(age))
      if (!file) {
        // One name may be free while files are renamed.
        if (++missing > 1) return found
        continue
      }
      missing = 0
      const known = file.ino === ino || found.some((f) => f.ino === file.ino)
      if (known) closeSync(file.fd)
      else found.unshift(file)
      if (file.ino === ino) return found
    }
  }
}

function openFile(path: string): OpenFile | undefined {
  try {
    const fd = openSync(path, 'r')
    return { fd, ino: fstatSync(fd).ino, at: 0 }
  } catch {
    return undefined
  }
}

function inodeOf(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.ino
}

/** Whole lines from where the file was read last; UTF-8 is never cut. */
function* linesOf(file: OpenFile | undefined): Generator<string> {
  if (!file) return
  let rest = Buffer.alloc(0)
  const piece = Buffer.allocUnsafe(PIECE)
  for (;;) {
    const n = readSync(file.fd, piece, 0, PIECE, file.at + rest.length)
    if (n === 0) return
    const all = Buffer.concat([rest, piece.subarray(0, n)])
    const end = all.lastIndexOf(10) + 1
    rest = all.subarray(end)
    for (const line of all.toString('utf8', 0, end).split('\n')) if (line !== '') yield line
    file.at += end
  }
}
