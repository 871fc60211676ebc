import type { BuildGraph } from '../../engine/api.js'
import { htmlPage } from './html.js'
import { placeGraph } from './layout.js'
import { svgElement } from './svg.js'

/** Draws the steps of a build as a picture, or as a page that opens from disk and loads nothing. */
export function drawGraph(graph: BuildGraph, kind: 'svg' | 'html'): string {
  const placed = placeGraph(graph)
  if (kind === 'html') return htmlPage(graph, placed)
  return `<?xml version="1.0" encoding="UTF-8"?>\n${svgElement(graph, placed, { linked: false })}\n`
}
