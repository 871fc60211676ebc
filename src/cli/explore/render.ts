import type { ExploredImage } from '../../engine/api.js'
import { humanSize } from '../format/units.js'
import { printable } from '../printable.js'
import { textWidth } from '../text-width.js'
import type { ExploreState } from './state.js'
import type { TreeRow } from './tree.js'

/** How parts of the screen are set apart; each returns its text, coloured or not. */
export interface Paint {
  added(text: string): string
  changed(text: string): string
  removed(text: string): string
  dim(text: string): string
  /** Where the cursor is, in the pane that has the keys. */
  cursor(text: string): string
  heading(text: string): string
}

/** Narrowest screen on which both panes stand side by side. */
const WIDE = 100
const HELP = '↑↓ move  tab pane  ⏎ fold  a all/changes  / search  q quit'

/** Lines for panes beside what is always there: image, help. */
export function pageLines(rows: number): number {
  return Math.max(1, rows - 4)
}

/** The whole screen: exactly `rows` lines, none wider than `columns`. */
export function render(state: ExploreState, columns: number, rows: number, paint: Paint): string[] {
  const height = pageLines(rows)
  const head = [paint.heading(cut(summaryLine(state.image), columns)), cut(layerLine(state), columns)]
  const body = columns >= WIDE ? beside(state, columns, height, paint) : alone(state, columns, height, paint)
  const foot = state.typing || state.search ? `search: ${printable(state.search)}${state.typing ? '_' : ''}` : HELP
  return [...head, '', ...body, paint.dim(cut(foot, columns))].slice(0, rows)
}

/** Layers, size, and what is shipped for nothing. */
export function summaryLine({ layers, totalBytes, wastedBytes }: ExploredImage): string {
  const share = totalBytes > 0 ? Math.round(((totalBytes - wastedBytes) / totalBytes) * 100) : 100
  return `${layers.length} layers, ${humanSize(totalBytes)}, ${humanSize(wastedBytes)} wasted, efficiency ${share}%`
}

function layerLine({ image, layer, view }: ExploreState): string {
  const shown = image.layers[layer]
  const what = view === 'changes' ? 'changes of this layer' : 'all files after this layer'
  return shown ? `layer ${layer + 1}: ${printable(shown.createdBy)}  (${what})` : 'no layers'
}

function beside(state: ExploreState, columns: number, height: number, paint: Paint): string[] {
  const left = Math.floor(columns * 0.4)
  const layers = layerLines(state, left - 1, height, paint)
  const files = fileLines(state, columns - left - 1, height, paint)
  return layers.map((line, i) => `${line}${paint.dim('│')} ${files[i] ?? ''}`)
}

function alone(state: ExploreState, columns: number, height: number, paint: Paint): string[] {
  return (state.pane === 'layers' ? layerLines : fileLines)(state, columns, height, paint)
}

function layerLines(state: ExploreState, width: number, height: number, paint: Paint): string[] {
  const { image, layer, pane } = state
  const lines = image.layers.map(
    ({ sizeBytes, createdBy }) => `${humanSize(sizeBytes).padStart(8)}  ${printable(createdBy)}`,
  )
  return window(lines, layer, height).map(({ line, index }) => {
    const text = pad(cut(line, width), width)
    return index !== layer ? text : pane === 'layers' ? paint.cursor(text) : paint.heading(text)
  })
}

function fileLines(state: ExploreState, width: number, height: number, paint: Paint): string[] {
  const { rows, cursor, pane } = state
  return window([...rows], cursor, height, blankRow).map(({ line, index }) => {
    const text = pad(cut(fileLine(line), width), width)
    if (index === cursor && pane === 'files') return paint.cursor(text)
    return line.kind === 'same' ? text : paint[line.kind](text)
  })
}

const blankRow: TreeRow = {
  path: '',
  name: '',
  depth: -1,
  kind: 'same',
  type: '',
  mode: 0,
  uid: 0,
  gid: 0,
  size: 0,
  folder: false,
  open: false,
}
const SIGNS = { added: '+', changed: '~', removed: '-', same: ' ' }

/** `+ -rw-r--r--  0:0   12kB  usr/bin/x`. */
export function fileLine(row: TreeRow): string {
  if (row.depth < 0) return ''
  const fold = row.folder ? (row.open ? '▾ ' : '▸ ') : '  '
  const size = row.folder ? '' : humanSize(row.size)
  const link = row.link === undefined ? '' : ` → ${printable(row.link)}`
  const owner = `${row.uid}:${row.gid}`.padEnd(9)
  const name = `${'  '.repeat(row.depth)}${fold}${printable(row.name)}${row.folder ? '/' : ''}${link}`
  return `${SIGNS[row.kind]} ${modeText(row)} ${owner} ${size.padStart(8)}  ${name}`
}

const LETTERS: Readonly<Record<string, string>> = { dir: 'd', symlink: 'l', char: 'c', block: 'b', fifo: 'p' }

/** As `ls -l` writes it. */
function modeText({ type, mode }: TreeRow): string {
  const bits = [...'rwxrwxrwx'].map((c, i) => (mode & (0o400 >> i) ? c : '-'))
  const special = (at: number, bit: number, letter: string) => {
    if (mode & bit) bits[at] = bits[at] === 'x' ? letter : letter.toUpperCase()
  }
  special(2, 0o4000, 's')
  special(5, 0o2000, 's')
  special(8, 0o1000, 't')
  return `${LETTERS[type] ?? '-'}${bits.join('')}`
}

/** The lines around the cursor, filled up to the height. */
function window<T>(all: readonly T[], cursor: number, height: number, blank?: T): { line: T; index: number }[] {
  const top = Math.max(0, Math.min(cursor - Math.floor(height / 2), all.length - height))
  const empty = blank ?? ('' as T)
  return Array.from({ length: height }, (_, i) => ({ line: all[top + i] ?? empty, index: top + i }))
}

function cut(text: string, width: number): string {
  if (textWidth(text) <= width) return text
  let out = ''
  for (const c of text) {
    if (textWidth(out + c) > width - 1) break
    out += c
  }
  return `${out}…`
}

function pad(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - textWidth(text)))
}
