import type { BuildGraph, BuildGraphNode } from '../../engine/api.js'
import { humanSize } from '../format/units.js'
import type { Placed } from './layout.js'
import { durationText, escapeMarkup, spanOf, stateText } from './markup.js'
import { STYLE, svgElement } from './svg.js'

const PAGE_STYLE = `
html{background:var(--back);color:var(--text);font:14px/1.45 system-ui,'DejaVu Sans',sans-serif}
body{margin:0;padding:20px 24px 60px}
h1{font-size:20px;margin:0 0 4px}h2{font-size:16px;margin:28px 0 8px}
p{margin:0 0 14px;color:var(--soft)}
.legend span{margin-right:16px;white-space:nowrap}
.legend i{display:inline-block;width:10px;height:10px;border-radius:3px;background:var(--state);margin-right:6px}
.drawing{overflow:auto;border:1px solid var(--edge);border-radius:8px}
.drawing svg{display:block;margin:auto}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;vertical-align:top;padding:7px 10px;border-bottom:1px solid var(--edge)}
th{color:var(--soft);font-weight:600}
td.num{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
tr:target{background:var(--frame);outline:2px solid var(--state)}
td.state{white-space:nowrap;color:var(--state);font-weight:600}
td.when{width:26%;min-width:140px}
pre{margin:0;white-space:pre-wrap;overflow-wrap:anywhere;font:12.5px ui-monospace,'DejaVu Sans Mono',Menlo,Consolas,monospace}
.stagename{color:var(--soft)}.why{margin:4px 0 0;color:var(--soft)}
.time{position:relative;display:block;height:10px;margin-top:5px;background:var(--frame);border-radius:3px}
.time i{position:absolute;top:0;height:10px;border-radius:3px;background:var(--state);min-width:2px}
`

/**
 * A page that opens from disk: the drawing, and a table with each step in full. It has no script and loads nothing; its
 * policy forbids both, whatever a Dockerfile may have in it.
 */
export function htmlPage(graph: BuildGraph, placed: Placed): string {
  const title = escapeMarkup(`${graph.file}${graph.target ? `, target ${graph.target}` : ''}`)
  const rows = graph.nodes.map((node, i) => tableRow(node, i + 1, graph))
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>${title}: build graph</title>
<style>${STYLE}${PAGE_STYLE}</style>
</head>
<body>
<h1>${title}</h1>
<p>${escapeMarkup(summary(graph))}</p>
<p class="legend">${legend(graph)}</p>
<div class="drawing">
${svgElement(graph, placed, { linked: true })}
</div>
<h2>Steps</h2>
<table>
<thead><tr><th>#</th><th>Step</th><th>State</th><th>Time</th><th>Size</th><th>When</th></tr></thead>
<tbody>
${rows.join('\n')}
</tbody>
</table>
</body>
</html>
`
}

function summary({ nodes, startedMs, endedMs }: BuildGraph): string {
  const count = (state: BuildGraphNode['state']) =>
    nodes.filter((n) => n.state === state && n.kind !== 'image' && n.kind !== 'context').length
  const parts = [`${count('ran')} ran`, `${count('cached')} cached`]
  for (const state of ['failed', 'canceled', 'unneeded'] as const)
    if (count(state)) parts.push(`${count(state)} ${state === 'unneeded' ? 'not needed' : state}`)
  return `${durationText(endedMs - startedMs)} in all; of the steps ${parts.join(', ')}`
}

function legend({ nodes }: BuildGraph): string {
  const states = [...new Set(nodes.map((n) => n.state))]
  const shown = states.map((state) => {
    return `<span class="${state}"><i></i>${state === 'unneeded' ? 'not needed' : state}</span>`
  })
  return [...shown, '<span>solid line: stands on</span>', '<span>dashed line: takes files from</span>'].join('')
}

function tableRow(node: BuildGraphNode, number: number, graph: BuildGraph): string {
  const span = node.state === 'cached' ? undefined : spanOf(node)
  const stage = node.stage ? `<span class="stagename">${escapeMarkup(node.stage)}</span> ` : ''
  const line = node.line === undefined ? '' : `<span class="stagename">line ${node.line}</span>`
  const why = (node.reasons ?? []).map((r) => `<p class="why">because: ${escapeMarkup(r)}</p>`).join('')
  return `<tr id="step-${number}" class="${node.state}"><td class="num">${number}</td><td>${stage}${line}<pre>${escapeMarkup(node.source || node.title)}</pre>${why}</td><td class="state">${escapeMarkup(stateText(node))}</td><td class="num">${span === undefined ? '' : durationText(span)}</td><td class="num">${node.sizeBytes === undefined ? '' : humanSize(node.sizeBytes)}</td><td class="when">${timeBar(node, graph)}</td></tr>`
}

/** When the step ran, within the whole build. */
function timeBar(node: BuildGraphNode, { startedMs, endedMs }: BuildGraph): string {
  if (node.startedMs === undefined || node.endedMs === undefined) return ''
  const percent = (ms: number) => Math.round((Math.max(0, ms) / Math.max(1, endedMs - startedMs)) * 1000) / 10
  const left = Math.min(99.5, percent(node.startedMs - startedMs))
  const width = Math.min(100 - left, percent(node.endedMs - node.startedMs))
  return `<span class="time"><i style="left:${left}%;width:${width}%"></i></span>`
}
