import { concatBytes } from '../../../base/bytes.js'
import type { Entry } from '../../../layer/entry.js'
import { TarEncoder } from '../../../layer/tar-encoder.js'
import { TarParser } from '../../../layer/tar-parser.js'
import { createFile, makeDir, makeLink, makeSymlink, unlink } from '../../vfs/change.js'
import { VfsError } from '../../vfs/error.js'
import type { Inode } from '../../vfs/inode.js'
import { fromName, toName } from '../bytes.js'
import { type Tool, type ToolContext, ToolError } from '../command.js'
import { patternRegExp } from '../expand/pattern.js'
import { errorWords, readAll } from '../files.js'
import { gunzip, gzip } from '../gzip.js'
import { formatDate } from './date.js'
import { modeText } from './ls.js'
import { nameOfId } from './metadata.js'
import { parseOptions } from './options.js'

const LONG = {
  create: 'c',
  extract: 'x',
  get: 'x',
  list: 't',
  file: 'f',
  directory: 'C',
  gzip: 'z',
  gunzip: 'z',
  verbose: 'v',
  exclude: '1',
  'strip-components': '2',
  'same-permissions': 'p',
  'preserve-permissions': 'p',
  'to-stdout': 'O',
  'no-same-owner': 'o',
  'same-owner': '3',
  'keep-old-files': 'k',
  touch: 'm',
  dereference: 'h',
  'numeric-owner': '4',
  owner: '5',
  group: '6',
  mtime: '7',
  sort: '8',
}

type Options = ReturnType<typeof parseOptions>

export const tar: Tool = (given, context) => {
  // The first word's dash may be left out.
  const args = given[0] !== undefined && !given[0].startsWith('-') ? oldStyle(given) : given
  const o = parseOptions(args, { letters: 'cxtf:C:zvpOokmh1:2:3456:7:8:5:', long: LONG, status: 2 })
  if (['5', '6', '7', '8'].some((l) => o.has(l)))
    throw new ToolError('--owner, --group, --mtime and --sort are not supported here', 2)
  const modes = [...'cxt'].filter((l) => o.has(l))
  if (modes.length !== 1) throw new ToolError('give one of -c, -x, -t', 2)
  const base = context.files.fork()
  for (const { letter, value } of o.given) if (letter === 'C') base.chdir(value, false)
  return modes[0] === 'c' ? create(o, context, base) : read(o, context, base, modes[0] === 'x')
}

function oldStyle([letters, ...rest]: readonly string[]): string[] {
  const out: string[] = []
  for (const letter of letters!) out.push(`-${letter}`, ...('fC'.includes(letter) ? [rest.shift() ?? ''] : []))
  return [...out, ...rest]
}

function create(o: Options, context: ToolContext, files: ToolContext['files']): number {
  const chunks: Uint8Array[] = []
  const encoder = new TarEncoder((chunk) => chunks.push(chunk.slice()))
  const excluded = o.given.filter((g) => g.letter === '1').map((g) => patternRegExp(g.value))
  const seen = new Map<Inode, string>()
  let status = 0
  const add = (path: string): void => {
    const bare = path.replace(/(.)\/+$/, '$1')
    if (excluded.some((e) => e.test(bare) || e.test(bare.split('/').at(-1)!))) return
    const node = files.find(bare, o.has('h'))
    if (!node) {
      context.warn(`${path}: Cannot stat: No such file or directory`)
      status = 2
      return
    }
    const name = bare.replace(/^(?:\.?\/+)+/, '').replace(/^\.$/, '')
    if (o.has('v')) context.out.text(`${node.kind === 'dir' ? `${bare}/` : bare}\n`)
    put(encoder, node, toName(name), seen)
    if (node.kind === 'dir')
      for (const child of files.tree.names(node).map(fromName)) add(bare === '/' ? `/${child}` : `${bare}/${child}`)
  }
  if (o.operands.length === 0) throw new ToolError('Cowardly refusing to create an empty archive', 2)
  for (const path of o.operands) add(path)
  encoder.end()
  const plain = concatBytes(chunks)
  const data = o.has('z') ? gzip(plain) : plain
  const file = o.value('f') ?? '-'
  if (file === '-') context.out.bytes(data)
  else context.files.write(file, data)
  return status
}

function put(encoder: TarEncoder, node: Inode, path: string, seen: Map<Inode, string>): void {
  const seconds = node.mtime / 1_000_000_000n
  const common = { path, mode: node.mode, uid: node.uid, gid: node.gid, mtime: Number(seconds), size: 0 }
  const first = seen.get(node)
  if (node.kind !== 'dir' && first !== undefined) {
    encoder.entry({ ...common, type: 'hardlink', link: first })
    return
  }
  if (node.links > 1 && node.kind !== 'dir') seen.set(node, path)
  if (node.kind === 'file') {
    encoder.entry({ ...common, type: 'file', size: node.content.sizeBytes })
    for (const chunk of node.content.chunks()) encoder.data(chunk)
  } else if (node.kind === 'symlink') encoder.entry({ ...common, type: 'symlink', link: node.target })
  else if (node.kind === 'dir') encoder.entry({ ...common, type: 'dir' })
  else encoder.entry({ ...common, type: node.kind, major: node.major, minor: node.minor })
}

function read(o: Options, context: ToolContext, files: ToolContext['files'], extracts: boolean): number {
  const file = o.value('f') ?? '-'
  const raw = file === '-' ? readAll(context.stdin) : context.files.read(file)
  const data = raw[0] === 0x1f && raw[1] === 0x8b ? unpacked(raw) : raw
  const strip = Number(o.value('2') ?? 0)
  const wanted = o.operands.map((p) => p.replace(/^\.\//, '').replace(/\/+$/, ''))
  const excluded = o.given.filter((g) => g.letter === '1').map((g) => patternRegExp(g.value))
  const found = new Set<string>()
  const extractor = new Extractor(context, files, o)
  let accept = false
  const parser = new TarParser(
    {
      entry: (entry) => {
        const path = fromName(entry.path)
        const match = wanted.find((w) => path === w || path.startsWith(`${w}/`))
        if (match !== undefined) found.add(match)
        const parts = path.split('/')
        accept =
          (wanted.length === 0 || match !== undefined) && !excluded.some((e) => e.test(path) || e.test(parts.at(-1)!))
        if (strip > 0 && parts.length <= strip) accept = false
        if (!accept) return
        if (extracts) extractor.entry(entry, parts.slice(strip).join('/'))
        if (!extracts || o.has('v'))
          context.out.text(`${!extracts && o.has('v') ? `${details(context, entry)} ` : ''}${shown(path, entry)}\n`)
      },
      data: (chunk) => {
        if (accept && extracts) extractor.data(chunk)
      },
    },
    { whiteouts: false },
  )
  try {
    parser.push(data)
    parser.end()
  } catch (err) {
    if (err instanceof ToolError || err instanceof VfsError || !(err instanceof Error)) throw err
    throw new ToolError(`This does not look like a tar archive: ${err.message}`, 2)
  }
  if (extracts) extractor.finish()
  for (const path of wanted.filter((w) => !found.has(w))) {
    context.warn(`${path}: Not found in archive`)
    extractor.status = 2
  }
  return extractor.status
}

function unpacked(data: Uint8Array): Uint8Array {
  try {
    return gunzip(data)
  } catch {
    throw new ToolError('the archive is no whole gzip', 2)
  }
}

function shown(path: string, entry: Entry): string {
  if (entry.type === 'dir') return `${path === '' ? '.' : path}/`
  return path
}

function details(context: ToolContext, entry: Entry): string {
  const node = { kind: entry.type === 'hardlink' ? 'file' : entry.type, mode: entry.mode } as unknown as Inode
  const owner = `${nameOfId(context, 'passwd', entry.uid)}/${nameOfId(context, 'group', entry.gid)}`
  return `${modeText(node)} ${owner} ${String(entry.size).padStart(19 - owner.length + 1)} ${formatDate('%Y-%m-%d %H:%M', BigInt(entry.mtime) * 1_000_000_000n)}`
}

/** Writes what an archive holds; never through a link that it made itself. */
class Extractor {
  readonly #context: ToolContext
  readonly #files: ToolContext['files']
  readonly #o: Options
  #file: { write(data: Uint8Array): number; fd_close(): number } | undefined
  #current: { node: Inode; entry: Entry } | undefined
  readonly #folders: { node: Inode; entry: Entry }[] = []
  status = 0

  constructor(context: ToolContext, files: ToolContext['files'], o: Options) {
    this.#context = context
    this.#files = files
    this.#o = o
  }

  entry(entry: Entry, path: string): void {
    this.#close()
    if (path === '') return
    try {
      this.#make(entry, path)
    } catch (err) {
      if (!(err instanceof VfsError)) throw err
      this.#context.warn(`${path}: Cannot open: ${errorWords(err)}`)
      this.status = 2
    }
  }

  data(chunk: Uint8Array): void {
    if (this.#o.has('O')) this.#context.out.bytes(chunk.slice())
    else this.#file?.write(chunk)
  }

  /** Folders get their modes and times when nothing is written into them any more. */
  finish(): void {
    this.#close()
    for (const { node, entry } of this.#folders.reverse()) this.#metadata(node, entry)
  }

  #close(): void {
    this.#file?.fd_close()
    this.#file = undefined
    if (this.#current) this.#metadata(this.#current.node, this.#current.entry)
    this.#current = undefined
  }

  #metadata(node: Inode, entry: Entry): void {
    const files = this.#files
    if (this.#context.world.uid === 0 && !this.#o.has('o')) files.chown(node, entry.uid, entry.gid)
    const keep = this.#context.world.uid === 0 || this.#o.has('p')
    if (node.kind !== 'symlink') files.chmod(node, keep ? entry.mode : entry.mode & 0o777 & ~files.umask)
    if (!this.#o.has('m')) {
      const time = BigInt(entry.mtime) * 1_000_000_000n
      files.setTimes(node, time, time)
    }
  }

  #make(entry: Entry, path: string): void {
    const files = this.#files
    if (this.#o.has('O')) return
    const slash = path.lastIndexOf('/')
    if (slash > 0) this.#parents(path.slice(0, slash))
    const there = files.find(path, false)
    if (entry.type === 'dir') {
      const dir = there?.kind === 'dir' ? there : this.#fresh(path, there, (place) => makeDir(files.tree, place))
      this.#folders.push({ node: dir, entry })
      return
    }
    if (there && this.#o.has('k')) throw new VfsError('EEXIST', path)
    if (there?.kind === 'dir') throw new VfsError('EISDIR', path)
    if (entry.type === 'symlink')
      this.#metadata(
        this.#fresh(path, there, (place) => makeSymlink(files.tree, place, entry.link ?? '')),
        entry,
      )
    else if (entry.type === 'hardlink')
      this.#fresh(path, there, (place) => makeLink(files.tree, files.place(fromName(entry.link ?? ''), false), place))
    else if (entry.type === 'file') {
      const node = this.#fresh(path, there, (place) => createFile(files.tree, place))
      this.#file = files.open(path, {})
      this.#current = { node, entry }
    } else throw new ToolError(`${path}: devices and fifos can't be made here`, 2)
  }

  #fresh<T>(path: string, there: Inode | undefined, make: (place: ReturnType<ToolContext['files']['place']>) => T): T {
    const files = this.#files
    if (there) unlink(files.tree, files.place(path, false))
    return make(files.place(path, false))
  }

  #parents(path: string): void {
    const parts = path.split('/')
    for (let i = 1; i <= parts.length; i++) {
      const at = parts.slice(0, i).join('/')
      if (!this.#files.find(at)) this.#files.makeDir(at)
    }
  }
}

/** @param how what the name of the program chooses */
function gzipAs(how: { unpacks: boolean; toOutput: boolean }): Tool {
  return (args, context) => {
    const { files, out } = context
    const o = parseOptions(args, {
      letters: '123456789cdfklnqrtvNS:',
      long: {
        stdout: 'c',
        'to-stdout': 'c',
        decompress: 'd',
        uncompress: 'd',
        force: 'f',
        keep: 'k',
        'no-name': 'n',
        quiet: 'q',
        fast: '1',
        best: '9',
        test: 't',
        verbose: 'v',
        name: 'N',
      },
    })
    for (const letter of 'lrNS') if (o.has(letter)) throw new ToolError(`option -${letter} is not supported here`)
    const unpacks = how.unpacks || o.has('d') || o.has('t')
    const convert = (data: Uint8Array, name: string) => {
      if (!unpacks) return gzip(data)
      try {
        return gunzip(data)
      } catch {
        throw new ToolError(`${name}: not in gzip format`)
      }
    }
    if (o.operands.length === 0 || (o.operands.length === 1 && o.operands[0] === '-')) {
      const made = convert(readAll(context.stdin), 'stdin')
      if (!o.has('t')) out.bytes(made)
      return 0
    }
    let status = 0
    for (const path of o.operands) {
      try {
        const node = files.stat(path)
        if (node.kind !== 'file') throw new ToolError(`${path} is a directory -- ignored`, 2)
        if (unpacks && !how.toOutput && !o.has('c') && !o.has('t') && !/\.(gz|tgz)$/.test(path))
          throw new ToolError(`${path}: unknown suffix -- ignored`, 2)
        const made = convert(files.read(path), path)
        if (o.has('t')) continue
        if (how.toOutput || o.has('c')) {
          out.bytes(made)
          continue
        }
        const target = unpacks ? path.replace(/\.tgz$/, '.tar').replace(/\.gz$/, '') : `${path}.gz`
        if (files.find(target, false) && !o.has('f'))
          throw new ToolError(`${target} already exists; not overwritten`, 2)
        const file = files.write(target, made)
        files.chown(file, node.uid, node.gid)
        files.chmod(file, node.mode & 0o777)
        files.setTimes(file, node.atime, node.mtime)
        if (!o.has('k')) unlink(files.tree, files.place(path, false))
      } catch (err) {
        if (err instanceof ToolError) context.warn(err.message)
        else if (err instanceof VfsError) context.warn(`${path}: ${errorWords(err)}`)
        else throw err
        status = 1
      }
    }
    return status
  }
}

/** Tools for archives. */
export const archiveTools: Readonly<Record<string, Tool>> = {
  gunzip: gzipAs({ unpacks: true, toOutput: false }),
  gzip: gzipAs({ unpacks: false, toOutput: false }),
  tar,
  zcat: gzipAs({ unpacks: true, toOutput: true }),
}
