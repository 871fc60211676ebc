import type { ExploredImage } from '../../engine/api.js'
import { type TreeRow, type TreeView, treeRows } from './tree.js'

/** What is on the screen and where the reader is. */
export interface ExploreState {
  image: ExploredImage
  pane: 'layers' | 'files'
  layer: number
  /** Line of the tree. */
  cursor: number
  view: TreeView
  closed: ReadonlySet<string>
  search: string
  /** Keys go to the search. */
  typing: boolean
  done: boolean
  rows: readonly TreeRow[]
}

/** The view of an image that was just opened: its top layer, folders open. */
export function openState(image: ExploredImage): ExploreState {
  const state: ExploreState = {
    image,
    pane: 'layers',
    layer: Math.max(0, image.layers.length - 1),
    cursor: 0,
    view: 'changes',
    closed: new Set(),
    search: '',
    typing: false,
    done: false,
    rows: [],
  }
  return listed(state)
}

/** Names of keys as terminals send them. @see console_codes(4) */
const KEYS: Readonly<Record<string, string>> = {
  '\x1b[A': 'up',
  '\x1bOA': 'up',
  k: 'up',
  '\x1b[B': 'down',
  '\x1bOB': 'down',
  j: 'down',
  '\x1b[C': 'open',
  '\x1bOC': 'open',
  l: 'open',
  '\x1b[D': 'close',
  '\x1bOD': 'close',
  h: 'close',
  '\r': 'toggle',
  ' ': 'toggle',
  '\t': 'pane',
  '\x1b[5~': 'page-up',
  '\x1b[6~': 'page-down',
  g: 'first',
  '\x1b[H': 'first',
  G: 'last',
  '\x1b[F': 'last',
  a: 'view',
  '/': 'search',
  q: 'quit',
  '\x03': 'quit',
  '\x1b': 'quit',
}

/** Splits what a terminal sent into keys. */
export function splitKeys(text: string): string[] {
  return text.match(/\x1b(?:\[[0-9;]*[A-Za-z~]|O[A-Z])|./gsu) ?? []
}

/**
 * What a key does.
 *
 * @param page lines that a page has
 */
export function pressed(state: ExploreState, key: string, page: number): ExploreState {
  if (state.typing) return typed(state, key)
  const name = Object.hasOwn(KEYS, key) ? KEYS[key]! : ''
  switch (name) {
    case 'up':
      return moved(state, -1)
    case 'down':
      return moved(state, 1)
    case 'page-up':
      return moved(state, -page)
    case 'page-down':
      return moved(state, page)
    case 'first':
      return moved(state, Number.NEGATIVE_INFINITY)
    case 'last':
      return moved(state, Number.POSITIVE_INFINITY)
    case 'pane':
      return { ...state, pane: state.pane === 'layers' ? 'files' : 'layers' }
    case 'view':
      return listed({ ...state, view: state.view === 'changes' ? 'all' : 'changes', cursor: 0 })
    case 'search':
      return listed({ ...state, pane: 'files', typing: true, search: '', cursor: 0 })
    case 'open':
    case 'close':
    case 'toggle':
      return folded(state, name)
    case 'quit':
      return state.search !== '' && key === '\x1b' ? listed({ ...state, search: '' }) : { ...state, done: true }
    default:
      return state
  }
}

function typed(state: ExploreState, key: string): ExploreState {
  if (key === '\x03') return { ...state, done: true }
  if (key === '\r') return { ...state, typing: false }
  if (key === '\x1b') return listed({ ...state, typing: false, search: '', cursor: 0 })
  if (key === '\x7f' || key === '\b') return listed({ ...state, search: [...state.search].slice(0, -1).join('') })
  if (/^[\p{Cc}]|^\x1b/u.test(key)) return state
  return listed({ ...state, search: state.search + key, cursor: 0 })
}

function moved(state: ExploreState, by: number): ExploreState {
  const within = (at: number, count: number) => Math.max(0, Math.min(count - 1, at))
  if (state.pane === 'files') return { ...state, cursor: within(state.cursor + by, state.rows.length) }
  const layer = within(state.layer + by, state.image.layers.length)
  return layer === state.layer ? state : listed({ ...state, layer, cursor: 0 })
}

function folded(state: ExploreState, how: 'open' | 'close' | 'toggle'): ExploreState {
  if (state.pane === 'layers') return how === 'close' ? state : { ...state, pane: 'files' }
  const row = state.rows[state.cursor]
  if (!row) return state
  if (how === 'close' && (!row.folder || !row.open)) return toParent(state, row)
  if (!row.folder) return state
  const closed = new Set(state.closed)
  if (row.open && how !== 'open') closed.add(row.path)
  else closed.delete(row.path)
  return listed({ ...state, closed })
}

function toParent(state: ExploreState, { path }: TreeRow): ExploreState {
  const parent = path.slice(0, Math.max(0, path.lastIndexOf('/')))
  const at = state.rows.findIndex((r) => r.path === parent)
  return at < 0 ? state : { ...state, cursor: at }
}

function listed(state: ExploreState): ExploreState {
  const { image, layer, view, closed, search } = state
  const rows = image.layers.length > 0 ? treeRows(image, layer, view, closed, search) : []
  return { ...state, rows, cursor: Math.max(0, Math.min(state.cursor, rows.length - 1)) }
}
