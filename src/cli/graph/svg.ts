import type { BuildGraph, BuildGraphNode } from '../../engine/api.js'
import { textWidth } from '../text-width.js'
import type { Box, Line, Placed } from './layout.js'
import { escapeMarkup, spanOf, summaryText, tooltipText } from './markup.js'

/** Columns of a title that fit into a box. */
const TITLE_COLUMNS = 30
const STAGE_COLUMNS = 34
const MIN_SCALE = 0.7

/** Colours of the drawing, light and dark. */
export const STYLE = `
:root{--back:#fff;--text:#1f2328;--soft:#59636e;--line:#8c959f;--frame:#f6f8fa;--edge:#d1d9e0;
--ran:#0969da;--cached:#1a7f37;--failed:#cf222e;--none:#8c959f}
@media (prefers-color-scheme:dark){:root{--back:#0d1117;--text:#e6edf3;--soft:#9198a1;--line:#656c76;--frame:#151b23;
--edge:#3d444d;--ran:#4493f8;--cached:#3fb950;--failed:#f85149;--none:#656c76}}
svg{background:var(--back)}
svg text{font:13px ui-monospace,'DejaVu Sans Mono',Menlo,Consolas,monospace;fill:var(--text)}
svg .sum{font:11.5px system-ui,'DejaVu Sans',sans-serif;fill:var(--soft)}
svg .stage rect{fill:var(--frame);stroke:var(--edge)}
svg .stage text{font:600 12px system-ui,'DejaVu Sans',sans-serif;fill:var(--soft)}
svg .box{fill:var(--back);stroke:var(--state);stroke-width:1.5}
svg .bar{fill:var(--state)}
svg .track{fill:var(--edge)}
svg .line{fill:none;stroke:var(--line);stroke-width:1.5}
svg .takes{stroke-dasharray:5 4}
svg #tip path{fill:var(--line)}
.ran{--state:var(--ran)}.cached{--state:var(--cached)}.failed{--state:var(--failed)}
.canceled,.unneeded{--state:var(--none)}
svg .unneeded .box,svg .canceled .box{stroke-dasharray:4 3}
svg .unneeded text{fill:var(--soft)}
svg a:hover .box,svg a:focus .box{stroke-width:3}
`

/** Draws a placed graph as an `svg` element. @param linked each step leads to `#step-N`, N from 1 */
export function svgElement(graph: BuildGraph, placed: Placed, { linked }: { linked: boolean }): string {
  const longest = Math.max(1, ...graph.nodes.map((n) => spanOf(n) ?? 0))
  const parts = [
    '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto"><path d="M0 0 8 4 0 8z"/></marker></defs>',
    ...placed.stages.map(({ name, box }) => stageFrame(name, box)),
    ...placed.lines.map(lineElement),
    ...graph.nodes.map((node, i) => stepElement(node, placed.nodes[i]!, longest, linked ? i + 1 : undefined)),
  ]
  const { width, height } = placed
  const label = escapeMarkup(`Steps of ${graph.file}`)
  // A page shrinks what is wider than it, but not until it can't be read.
  const fit = `max-width:100%;min-width:${Math.round(width * MIN_SCALE)}px;height:auto`
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" style="${fit}" role="img" aria-label="${label}">\n${linked ? '' : `<style>${STYLE}</style>\n`}${parts.join('\n')}\n</svg>`
}

function stageFrame(name: string, { x, y, width, height }: Box): string {
  const [left, top] = [round(x - width / 2), round(y - height / 2)]
  return `<g class="stage"><title>${escapeMarkup(name)}</title><rect x="${left}" y="${top}" width="${round(width)}" height="${round(height)}" rx="8"/><text x="${left + 12}" y="${top + 16}">${escapeMarkup(cut(name, STAGE_COLUMNS))}</text></g>`
}

/** A smooth line through the points of the layout; it leaves and arrives upright, and so behind no other step. */
function lineElement({ points, base }: Line): string {
  const [start, ...rest] = points
  let [x, y] = [start!.x, start!.y]
  let path = `M${round(x)} ${round(y)}`
  for (const p of rest) {
    const middle = round((y + p.y) / 2)
    path += ` C${round(x)} ${middle} ${round(p.x)} ${middle} ${round(p.x)} ${round(p.y)}`
    ;[x, y] = [p.x, p.y]
  }
  return `<path class="line${base ? '' : ' takes'}" d="${path}" marker-end="url(#tip)"/>`
}

function isSource({ kind }: BuildGraphNode): boolean {
  return kind === 'image' || kind === 'context'
}

function stepElement(node: BuildGraphNode, box: Box, longestMs: number, link: number | undefined): string {
  const [left, top] = [round(box.x - box.width / 2), round(box.y - box.height / 2)]
  const room = box.width - 24
  const span = node.state === 'cached' ? undefined : spanOf(node)
  const bar = span === undefined ? 0 : round(Math.max(1, (span / longestMs) * room))
  const inner = [
    `<title>${escapeMarkup(tooltipText(node))}</title>`,
    `<rect class="box" x="${left}" y="${top}" width="${box.width}" height="${box.height}" rx="${isSource(node) ? 16 : 6}"/>`,
    `<text x="${left + 12}" y="${top + 21}">${escapeMarkup(cut(node.title.replace(/\s+/g, ' '), TITLE_COLUMNS))}</text>`,
    `<text class="sum" x="${left + 12}" y="${top + 39}">${escapeMarkup(summaryText(node))}</text>`,
    `<rect class="track" x="${left + 12}" y="${top + 47}" width="${room}" height="3" rx="1.5"/>`,
    ...(bar ? [`<rect class="bar" x="${left + 12}" y="${top + 47}" width="${bar}" height="3" rx="1.5"/>`] : []),
  ].join('')
  const group = `<g class="${node.state}">${inner}</g>`
  return link === undefined ? group : `<a href="#step-${link}">${group}</a>`
}

/** At most `columns` wide, counting wide characters twice. */
function cut(text: string, columns: number): string {
  if (textWidth(text) <= columns) return text
  let out = ''
  let width = 0
  for (const c of text) {
    width += textWidth(c)
    if (width >= columns) break
    out += c
  }
  return `${out}…`
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}
