import { graphlib, layout } from '@dagrejs/dagre'
import type { BuildGraph } from '../../engine/api.js'

/** A box: centre, and size. Pixels, from the top left corner. */
export interface Box {
  x: number
  y: number
  width: number
  height: number
}

/** A line between two steps. */
export interface Line {
  from: number
  to: number
  /** Whether the second stands on the first, not only takes files from it. */
  base: boolean
  points: { x: number; y: number }[]
}

/** Where everything is. */
export interface Placed {
  width: number
  height: number
  /** By index of the node. */
  nodes: Box[]
  stages: { name: string; box: Box }[]
  lines: Line[]
}

export const NODE_WIDTH = 264
export const NODE_HEIGHT = 58
const MARGIN = 28
/** Room around the steps of a stage, and above them for its name. */
const STAGE_PAD = 12
const STAGE_HEAD = 24

/** Places the steps from top to bottom, those that may run at once beside each other, those of a stage together. */
export function placeGraph({ nodes }: BuildGraph): Placed {
  const graph = new graphlib.Graph({ compound: true })
  graph.setGraph({ rankdir: 'TB', nodesep: 36, ranksep: 46 })
  graph.setDefaultEdgeLabel(() => ({}))
  for (const i of nodes.keys()) graph.setNode(String(i), { width: NODE_WIDTH, height: NODE_HEIGHT })
  for (const stage of stagesOf(nodes)) graph.setNode(`stage ${stage}`, {})
  nodes.forEach(({ stage, inputs, base }, i) => {
    if (stage !== undefined) graph.setParent(String(i), `stage ${stage}`)
    // Steps of a chain stay in one column where they can.
    for (const from of inputs) graph.setEdge(String(from), String(i), { weight: from === base ? 4 : 1 })
  })
  layout(graph)
  const boxes = nodes.map((_, i) => boxOf(graph.node(String(i))))
  const lines = nodes.flatMap(({ inputs, base }, to) =>
    inputs.map((from) => ({
      from,
      to,
      base: from === base,
      points: upright(graph.edge(String(from), String(to)).points, boxes[from]!, boxes[to]!),
    })),
  )
  const stages = stagesOf(nodes).map((name) => {
    return { name, box: around(boxes.filter((_, i) => nodes[i]!.stage === name)) }
  })
  return within({ nodes: boxes, stages, lines })
}

/** Moves everything so that it begins at the margin: the layout counts neither frames nor every bend of a line. */
function within({ nodes, stages, lines }: Omit<Placed, 'width' | 'height'>): Placed {
  const boxes = [...nodes, ...stages.map((s) => s.box)]
  const bends = lines.flatMap((l) => l.points)
  const xs = [...boxes.flatMap((b) => [b.x - b.width / 2, b.x + b.width / 2]), ...bends.map((p) => p.x)]
  const ys = [...boxes.flatMap((b) => [b.y - b.height / 2, b.y + b.height / 2]), ...bends.map((p) => p.y)]
  const [left, top] = [Math.min(...xs) - MARGIN, Math.min(...ys) - MARGIN]
  const moved = <P extends { x: number; y: number }>(p: P): P => ({ ...p, x: p.x - left, y: p.y - top })
  return {
    width: Math.ceil(Math.max(...xs) - left + MARGIN),
    height: Math.ceil(Math.max(...ys) - top + MARGIN),
    nodes: nodes.map(moved),
    stages: stages.map(({ name, box }) => ({ name, box: moved(box) })),
    lines: lines.map((l) => ({ ...l, points: l.points.map(moved) })),
  }
}

/** In the order in which they appear; steps of a Dockerfile of one unnamed stage are in no frame. */
function stagesOf(nodes: BuildGraph['nodes']): string[] {
  return [...new Set(nodes.flatMap(({ stage }) => (stage ? [stage] : [])))]
}

/** The line from the lower side of one box to the upper side of another, with the bends that the layout has between. */
function upright(points: Line['points'], from: Box, to: Box): Line['points'] {
  const bends = points.slice(1, -1).filter((p) => p.y > from.y + from.height / 2 && p.y < to.y - to.height / 2)
  const ends = (box: Box, next: { x: number }) => {
    const reach = box.width / 4
    return box.x + Math.max(-reach, Math.min(reach, (next.x - box.x) / 6))
  }
  return [
    { x: ends(from, bends[0] ?? to), y: from.y + from.height / 2 },
    ...bends,
    { x: ends(to, bends.at(-1) ?? from), y: to.y - to.height / 2 },
  ]
}

function boxOf({ x, y, width, height }: Box): Box {
  return { x, y, width, height }
}

function around(boxes: readonly Box[]): Box {
  const left = Math.min(...boxes.map((b) => b.x - b.width / 2)) - STAGE_PAD
  const right = Math.max(...boxes.map((b) => b.x + b.width / 2)) + STAGE_PAD
  const top = Math.min(...boxes.map((b) => b.y - b.height / 2)) - STAGE_HEAD
  const bottom = Math.max(...boxes.map((b) => b.y + b.height / 2)) + STAGE_PAD
  return { x: (left + right) / 2, y: (top + bottom) / 2, width: right - left, height: bottom - top }
}
