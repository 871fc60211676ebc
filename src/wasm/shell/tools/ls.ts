import { VfsError } from '../../vfs/error.js'
import type { Inode } from '../../vfs/inode.js'
import { fromName } from '../bytes.js'
import { type Tool, type ToolContext, ToolError } from '../command.js'
import { errorWords } from '../files.js'
import { formatDate } from './date.js'
import { nameOfId } from './metadata.js'
import { parseOptions } from './options.js'

const LETTERS: Readonly<Record<Inode['kind'], string>> = {
  file: '-',
  dir: 'd',
  symlink: 'l',
  char: 'c',
  block: 'b',
  fifo: 'p',
}

/** As `ls -l` writes a mode. */
export function modeText(node: Inode): string {
  const bits = [...'rwxrwxrwx'].map((c, i) => (node.mode & (0o400 >> i) ? c : '-'))
  const special = (at: number, bit: number, letter: string) => {
    if (node.mode & bit) bits[at] = bits[at] === 'x' ? letter : letter.toUpperCase()
  }
  special(2, 0o4000, 's')
  special(5, 0o2000, 's')
  special(8, 0o1000, 't')
  return LETTERS[node.kind] + bits.join('')
}

/** Bytes that `ls` shows. */
export function sizeOf(node: Inode): number {
  if (node.kind === 'file') return node.content.sizeBytes
  if (node.kind === 'symlink') return fromName(node.target).length
  return node.kind === 'dir' ? 4096 : 0
}

interface Item {
  name: string
  path: string
  node: Inode
}

type Options = ReturnType<typeof parseOptions>

export const ls: Tool = (args, context) => {
  const o = parseOptions(args, {
    letters: '1aAdFghiklLmnopqrRsStcuUx',
    long: {
      all: 'a',
      'almost-all': 'A',
      directory: 'd',
      classify: 'F',
      recursive: 'R',
      reverse: 'r',
      'human-readable': 'h',
      inode: 'i',
      'numeric-uid-gid': 'n',
      dereference: 'L',
    },
    status: 2,
  })
  for (const letter of 'hskmx') if (o.has(letter)) throw new ToolError(`option -${letter} is not supported here`, 2)
  return new Listing(context, o).run(o.operands.length > 0 ? o.operands : ['.'])
}

class Listing {
  readonly #context: ToolContext
  readonly #o: Options
  #printed = false
  #status = 0

  constructor(context: ToolContext, o: Options) {
    this.#context = context
    this.#o = o
  }

  run(paths: readonly string[]): number {
    const items = paths.flatMap((path): Item[] => {
      const follow = !this.#long && !this.#o.has('d') && !this.#o.has('F')
      const node = this.#context.files.find(path, follow || this.#o.has('L')) ?? this.#context.files.find(path, false)
      if (node) return [{ name: path, path, node: this.#folderOf(path, node) }]
      this.#fail(`cannot access '${path}': No such file or directory`)
      return []
    })
    const [folders, others] = [items.filter((i) => this.#isFolder(i)), items.filter((i) => !this.#isFolder(i))]
    if (others.length > 0) this.#print(this.#sorted(others))
    const headed = paths.length > 1 || this.#o.has('R')
    for (const { path } of this.#sorted(folders)) this.#folder(path, headed)
    return this.#status
  }

  get #long(): boolean {
    return ['l', 'n', 'g', 'o'].some((l) => this.#o.has(l))
  }

  #fail(message: string): void {
    this.#context.warn(message)
    this.#status = 2
  }

  /** A link on the command line that leads to a folder counts as it, unless details are asked for. */
  #folderOf(path: string, node: Inode): Inode {
    if (node.kind !== 'symlink' || this.#long || this.#o.has('d')) return node
    return this.#context.files.find(path) ?? node
  }

  #isFolder({ node }: Item): boolean {
    return node.kind === 'dir' && !this.#o.has('d')
  }

  #folder(path: string, headed: boolean): void {
    if (headed) this.#context.out.text(`${this.#printed ? '\n' : ''}${path}:\n`)
    this.#printed = true
    let items: Item[]
    try {
      items = this.#items(path)
    } catch (err) {
      if (!(err instanceof VfsError)) throw err
      this.#fail(`cannot open directory '${path}': ${errorWords(err)}`)
      return
    }
    const sorted = this.#sorted(items)
    if (this.#long) this.#context.out.text(`total ${sorted.reduce((n, { node }) => n + blocksOf(node), 0)}\n`)
    this.#print(sorted)
    if (this.#o.has('R'))
      for (const item of sorted)
        if (item.node.kind === 'dir' && !/^\.{1,2}$/.test(item.name)) this.#folder(item.path, true)
  }

  #items(path: string): Item[] {
    const { files } = this.#context
    const all = this.#o.has('a')
    const names = [...(all ? ['.', '..'] : []), ...files.list(path)]
    return names
      .filter((name) => all || this.#o.has('A') || !name.startsWith('.'))
      .flatMap((name) => {
        const below = path.endsWith('/') ? path + name : `${path}/${name}`
        const node = (this.#o.has('L') ? files.find(below) : undefined) ?? files.find(below, false)
        return node ? [{ name, path: below, node }] : []
      })
  }

  #sorted(items: readonly Item[]): Item[] {
    const byName = (a: Item, b: Item) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0)
    const by = (a: Item, b: Item) => {
      if (this.#o.has('S')) return sizeOf(b.node) - sizeOf(a.node) || byName(a, b)
      if (this.#o.has('t')) return a.node.mtime === b.node.mtime ? byName(a, b) : a.node.mtime < b.node.mtime ? 1 : -1
      return byName(a, b)
    }
    const sorted = this.#o.has('U') ? [...items] : [...items].sort(by)
    return this.#o.has('r') ? sorted.reverse() : sorted
  }

  #print(items: readonly Item[]): void {
    this.#printed = true
    const { out } = this.#context
    if (!this.#long) {
      for (const item of items) out.text(`${this.#inode(item)}${this.#label(item)}\n`)
      return
    }
    const rows = items.map((item) => this.#row(item))
    const widths = rows[0]?.cells.map((_, i) => Math.max(...rows.map((r) => r.cells[i]!.text.length))) ?? []
    for (const { cells, label } of rows) {
      const padded = cells.map(({ text, left }, i) => (left ? text.padEnd(widths[i]!) : text.padStart(widths[i]!)))
      out.text(`${[...padded, label].join(' ')}\n`)
    }
  }

  #inode({ node }: Item): string {
    return this.#o.has('i') ? `${node.ino} ` : ''
  }

  #label({ name, node }: Item): string {
    const mark = { dir: '/', symlink: '@', fifo: '|', file: node.mode & 0o111 ? '*' : '', char: '', block: '' }[
      node.kind
    ]
    if (this.#o.has('F')) return name + (this.#long && node.kind === 'symlink' ? '' : mark)
    return this.#o.has('p') && node.kind === 'dir' ? `${name}/` : name
  }

  #row(item: Item): { cells: { text: string; left: boolean }[]; label: string } {
    const { node } = item
    const context = this.#context
    const owner = (kind: 'passwd' | 'group', id: number) =>
      this.#o.has('n') ? String(id) : nameOfId(context, kind, id)
    const cells = [
      { text: this.#inode(item) + modeText(node), left: true },
      { text: String(node.kind === 'dir' ? 2 + this.#folders(node) : node.links), left: false },
      ...(this.#o.has('g') ? [] : [{ text: owner('passwd', node.uid), left: true }]),
      ...(this.#o.has('o') ? [] : [{ text: owner('group', node.gid), left: true }]),
      { text: 'major' in node ? `${node.major}, ${node.minor}` : String(sizeOf(node)), left: false },
      { text: this.#time(node), left: true },
    ]
    const link = node.kind === 'symlink' ? ` -> ${fromName(node.target)}` : ''
    return { cells, label: this.#label(item) + link }
  }

  #folders(node: Inode & { kind: 'dir' }): number {
    const { tree } = this.#context.files
    return tree.names(node).filter((name) => tree.lookup(node, name)?.kind === 'dir').length
  }

  /** Half a year back the hour gives way to the year. */
  #time(node: Inode): string {
    const now = this.#context.world.clock.realtime()
    const recent = node.mtime <= now && now - node.mtime < 15_778_476_000_000_000n
    return formatDate(recent ? '%b %e %H:%M' : '%b %e  %Y', node.mtime)
  }
}

function blocksOf(node: Inode): number {
  if (node.kind === 'dir') return 4
  return node.kind === 'file' ? Math.ceil(node.content.sizeBytes / 4096) * 4 : 0
}
