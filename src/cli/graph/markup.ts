import type { BuildGraphNode } from '../../engine/api.js'
import { humanSize } from '../format/units.js'

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

/**
 * Text as content or attribute value of XML and HTML: nothing in it is markup, and what XML can't have or would turn the
 * direction of writing is shown as �.
 */
export function escapeMarkup(text: string): string {
  return text
    .replace(/\p{Cs}/gu, '\ufffd')
    .replace(/[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufffe\uffff]/g, '\ufffd')
    .replace(/[&<>"']/g, (c) => ESCAPES[c]!)
}

/** `12 ms`, `1.2 s`, `2 min 5 s`. */
export function durationText(ms: number): string {
  if (ms < 1000) return `${Math.max(0, Math.round(ms))} ms`
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`
  const seconds = Math.round(ms / 1000)
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`
}

/** How long a step took; undefined for one that was not executed. */
export function spanOf({ startedMs, endedMs }: BuildGraphNode): number | undefined {
  return startedMs === undefined || endedMs === undefined ? undefined : endedMs - startedMs
}

const STATES: Readonly<Record<BuildGraphNode['state'], string>> = {
  ran: 'ran',
  cached: 'cached',
  failed: 'failed',
  canceled: 'canceled',
  unneeded: 'not needed',
}

/** `ran`, `cached`, …; an image is in the store, a context is read. */
export function stateText({ kind, state }: BuildGraphNode): string {
  if (kind === 'image' && state === 'cached') return 'in the store'
  return kind === 'context' && state === 'ran' ? 'read' : STATES[state]
}

/** `1.2 s · ran · 3.4MB`. */
export function summaryText(node: BuildGraphNode): string {
  const span = spanOf(node)
  const time = span !== undefined && node.state !== 'cached' ? [durationText(span)] : []
  const size = node.sizeBytes === undefined ? [] : [humanSize(node.sizeBytes)]
  const where = node.executor === 'wasi' ? ['wasi'] : []
  return [...time, stateText(node), ...where, ...size].join(' · ')
}

/** What a step says of itself in full. */
export function tooltipText(node: BuildGraphNode): string {
  const reasons = (node.reasons ?? []).map((r) => `because: ${r}`)
  return [node.source || node.title, summaryText(node), ...reasons].join('\n')
}
