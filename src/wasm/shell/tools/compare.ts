import { structuredPatch } from 'diff'
import type { Hasher } from '../../../base/hash.js'
import { VfsError } from '../../vfs/error.js'
import type { Inode } from '../../vfs/inode.js'
import { textOf } from '../bytes.js'
import { type Tool, type ToolContext, ToolError } from '../command.js'
import { errorWords, readAll } from '../files.js'
import { formatDate } from './date.js'
import { eachInput, pump } from './each.js'
import { Md5 } from './md5.js'
import { parseOptions } from './options.js'

function contentOf(context: ToolContext, name: string): Uint8Array {
  return name === '-' ? readAll(context.stdin) : context.files.read(name)
}

const cmp: Tool = (args, context) => {
  const o = parseOptions(args, {
    letters: 'sln:',
    long: { quiet: 's', silent: 's', bytes: 'n', verbose: 'l' },
    status: 2,
  })
  const [first, second = '-'] = o.operands
  if (first === undefined) throw new ToolError('missing operand', 2)
  let sides: Uint8Array[]
  try {
    sides = [contentOf(context, first), contentOf(context, second)]
  } catch (err) {
    if (err instanceof VfsError) throw new ToolError(`${first}: ${errorWords(err)}`, 2)
    throw err
  }
  const most = Number(o.value('n') ?? Number.POSITIVE_INFINITY)
  const [a, b] = sides.map((s) => s.subarray(0, Math.min(most, s.length))) as [Uint8Array, Uint8Array]
  let line = 1
  let differs = false
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    if (a[i] !== b[i]) {
      differs = true
      if (o.has('s')) return 1
      if (!o.has('l')) {
        context.out.text(`${first} ${second} differ: char ${i + 1}, line ${line}\n`)
        return 1
      }
      context.out.text(`${i + 1} ${a[i]!.toString(8).padStart(3)} ${b[i]!.toString(8).padStart(3)}\n`)
    }
    if (a[i] === 10) line++
  }
  if (a.length === b.length) return differs ? 1 : 0
  const short = a.length < b.length ? first : second
  if (!o.has('s'))
    context.warn(
      `EOF on ${short}${Math.min(a.length, b.length) === 0 ? ' which is empty' : ` after byte ${Math.min(a.length, b.length)}`}`,
    )
  return 1
}

const diff: Tool = (args, context) => {
  const o = parseOptions(args, {
    letters: 'abBiNqrsuU:wcC:',
    long: {
      unified: 'u',
      brief: 'q',
      recursive: 'r',
      'new-file': 'N',
      'report-identical-files': 's',
      'ignore-case': 'i',
      'ignore-all-space': 'w',
      'ignore-space-change': 'b',
      text: 'a',
    },
    status: 2,
  })
  for (const letter of 'cCB') if (o.has(letter)) throw new ToolError(`option -${letter} is not supported here`, 2)
  const [first, second, extra] = o.operands
  if (second === undefined || extra !== undefined)
    throw new ToolError(
      second === undefined ? `missing operand after '${first ?? 'diff'}'` : `extra operand '${extra}'`,
      2,
    )
  const comparison = new Comparison(context, o)
  comparison.paths(first!, second)
  return comparison.status
}

class Comparison {
  readonly #context: ToolContext
  readonly #o: ReturnType<typeof parseOptions>
  status = 0

  constructor(context: ToolContext, o: ReturnType<typeof parseOptions>) {
    this.#context = context
    this.#o = o
  }

  paths(first: string, second: string): void {
    const { files } = this.#context
    const isFolder = (p: string) => p !== '-' && files.isDir(p)
    if (isFolder(first) && isFolder(second)) this.#folders(first, second)
    else if (isFolder(first)) this.#files(`${first.replace(/\/+$/, '')}/${second.split('/').at(-1)}`, second)
    else if (isFolder(second)) this.#files(first, `${second.replace(/\/+$/, '')}/${first.split('/').at(-1)}`)
    else this.#files(first, second)
  }

  #folders(first: string, second: string): void {
    const { files, out } = this.#context
    const [a, b] = [first, second].map((p) => files.list(p)) as [string[], string[]]
    for (const name of [...new Set([...a, ...b])].sort()) {
      const [x, y] = [`${first}/${name}`, `${second}/${name}`]
      if (a.includes(name) && b.includes(name)) {
        const [m, n] = [files.find(x), files.find(y)]
        if (m?.kind === 'dir' && n?.kind === 'dir') {
          if (this.#o.has('r')) this.#folders(x, y)
          else out.text(`Common subdirectories: ${x} and ${y}\n`)
        } else if (m && n && m.kind !== n.kind) {
          out.text(`File ${x} is a ${wordOf(m)} while file ${y} is a ${wordOf(n)}\n`)
          this.status = 1
        } else this.#files(x, y, this.#o.has('r'))
      } else if (this.#o.has('N')) this.#files(x, y, true)
      else {
        out.text(`Only in ${a.includes(name) ? first : second}: ${name}\n`)
        this.status = 1
      }
    }
  }

  #read(path: string): Uint8Array | undefined {
    try {
      return contentOf(this.#context, path)
    } catch (err) {
      if (!(err instanceof VfsError)) throw err
      if (this.#o.has('N') && err.errno === 'ENOENT') return new Uint8Array(0)
      this.#context.warn(`${path}: ${errorWords(err)}`)
      this.status = 2
      return undefined
    }
  }

  #files(first: string, second: string, headed = false): void {
    const { out } = this.#context
    const [a, b] = [this.#read(first), this.#read(second)]
    if (!a || !b) return
    const [x, y] = [textOf(a), textOf(b)]
    if (this.#same(x) === this.#same(y)) {
      if (this.#o.has('s')) out.text(`Files ${first} and ${second} are identical\n`)
      return
    }
    this.status = Math.max(this.status, 1)
    const binary = !this.#o.has('a') && (x.includes('\0') || y.includes('\0'))
    if (this.#o.has('q') || binary) {
      out.text(`${binary && !this.#o.has('q') ? 'Binary files' : 'Files'} ${first} and ${second} differ\n`)
      return
    }
    if (headed) out.text(`diff ${this.#o.given.map((g) => `-${g.letter}${g.value}`).join(' ')} ${first} ${second}\n`)
    const unified = this.#o.has('u') || this.#o.has('U')
    const hunks = this.#hunks(x, y, unified ? Number(this.#o.value('U') ?? 3) : 0)
    if (unified) {
      out.text(`--- ${first}\t${this.#time(first)}\n+++ ${second}\t${this.#time(second)}\n`)
      for (const hunk of hunks) out.text(unifiedHunk(hunk))
    } else for (const hunk of hunks) out.text(normalHunk(hunk))
  }

  #same(text: string): string {
    let t = text
    if (this.#o.has('w')) t = t.replace(/[ \t\r]+/g, '')
    else if (this.#o.has('b')) t = t.replace(/[ \t]+/g, ' ').replace(/ $/gm, '')
    return this.#o.has('i') ? t.toLowerCase() : t
  }

  #time(path: string): string {
    const node = path === '-' ? undefined : this.#context.files.find(path)
    return formatDate('%Y-%m-%d %H:%M:%S.%N %z', node?.mtime ?? 0n)
  }

  #hunks(x: string, y: string, context: number): Hunk[] {
    const ignore = this.#o.has('w') || this.#o.has('b')
    return structuredPatch('', '', x, y, '', '', { context, ignoreWhitespace: ignore }).hunks
  }
}

interface Hunk {
  oldStart: number
  oldLines: number
  newStart: number
  newLines: number
  lines: string[]
}

function unifiedHunk({ oldStart, oldLines, newStart, newLines, lines }: Hunk): string {
  const range = (start: number, count: number) =>
    count === 1 ? `${start}` : `${count === 0 ? start - 1 : start},${count}`
  const fix = (start: number, count: number) => range(count === 0 ? start + 0 : start, count)
  return `@@ -${fix(oldStart, oldLines)} +${fix(newStart, newLines)} @@\n${lines.map((l) => `${l}\n`).join('')}`
}

function normalHunk({ oldStart, oldLines, newStart, newLines, lines }: Hunk): string {
  const range = (start: number, count: number) => (count > 1 ? `${start},${start + count - 1}` : `${start}`)
  const left = oldLines === 0 ? String(oldStart - 1) : range(oldStart, oldLines)
  const right = newLines === 0 ? String(newStart - 1) : range(newStart, newLines)
  const kind = oldLines === 0 ? 'a' : newLines === 0 ? 'd' : 'c'
  const out: string[] = [`${left}${kind}${right}`]
  let parted = false
  for (const line of lines) {
    if (line.startsWith('-')) out.push(`< ${line.slice(1)}`)
    else if (line.startsWith('+')) {
      if (!parted && kind === 'c') out.push('---')
      parted = true
      out.push(`> ${line.slice(1)}`)
    } else if (line.startsWith('\\')) out.push(line)
  }
  return out.map((l) => `${l}\n`).join('')
}

function wordOf(node: Inode): string {
  return {
    file: 'regular file',
    dir: 'directory',
    symlink: 'symbolic link',
    char: 'character special file',
    block: 'block special file',
    fifo: 'fifo',
  }[node.kind]
}

function sums(make: (context: ToolContext) => Hasher): Tool {
  return (args, context) => {
    const o = parseOptions(args, {
      letters: 'bctqwz',
      long: { binary: 'b', check: 'c', text: 't', quiet: 'q', status: 's', zero: 'z', warn: 'w' },
    })
    if (!o.has('c'))
      return eachInput(context, o.operands, (fd, path) => {
        const hash = make(context)
        pump(fd, (data) => {
          hash.update(data)
        })
        context.out.text(`${hash.hex()} ${o.has('b') ? '*' : ' '}${path}${o.has('z') ? '\0' : '\n'}`)
      })
    let failed = 0
    const status = eachInput(context, o.operands, (fd) => {
      for (const line of textOf(readAll(fd)).split('\n').filter(Boolean)) {
        const m = /^([0-9a-fA-F]+) [ *](.+)$/s.exec(line)
        if (!m) throw new ToolError('no properly formatted checksum lines found')
        let ok = false
        try {
          ok = make(context).update(context.files.read(m[2]!)).hex() === m[1]!.toLowerCase()
        } catch (err) {
          if (!(err instanceof VfsError)) throw err
          context.warn(`${m[2]}: ${errorWords(err)}`)
        }
        if (!ok) failed++
        if (!ok || !o.has('q')) context.out.text(`${m[2]}: ${ok ? 'OK' : 'FAILED'}\n`)
      }
    })
    if (failed > 0) context.warn(`WARNING: ${failed} computed checksum${failed === 1 ? '' : 's'} did NOT match`)
    return status || (failed > 0 ? 1 : 0)
  }
}

/** Tools that compare and hash. */
export const compareTools: Readonly<Record<string, Tool>> = {
  cmp,
  diff,
  md5sum: sums(() => new Md5()),
  sha256sum: sums(({ world }) => world.sha256()),
}
