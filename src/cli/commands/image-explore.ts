import type { ExploredImage } from '../../engine/api.js'
import { choice, count, defineCommand, flag } from '../command.js'
import { fileLine, summaryLine } from '../explore/render.js'
import { treeRows } from '../explore/tree.js'
import { humanSize } from '../format/units.js'
import { printable } from '../printable.js'
import { UsageError } from '../usage-error.js'

export const command = defineCommand({
  synopsis: '[OPTIONS] IMAGE',
  summary: 'Look through the layers and files of an image',
  arguments: [1, 1],
  options: {
    all: flag('List all files that are there after the layer, not only what it changes', 'a'),
    format: choice(['text', 'json'], 'Print it instead of showing it; default text where there is no terminal'),
    layer: count('List the files of that layer only; 1 is the base'),
  },
  async run(values, [reference], { engine, shell }) {
    const image = await (await engine()).images.explore(reference!)
    const { layer } = values
    if (layer !== undefined && !(layer >= 1 && layer <= image.layers.length))
      throw new UsageError(
        `invalid argument "${layer}" for "--layer" flag: the image has ${image.layers.length} layers`,
      )
    const shows = values.format === undefined && layer === undefined && !values.all
    if (values.format === 'json') shell.stdout.write(`${JSON.stringify(image)}\n`)
    else if (shows && shell.stdin.isTerminal && shell.stdout.isTerminal && shell.env.TERM !== 'dumb') {
      const { exploreInTerminal } = await import('../explore/session.js')
      await exploreInTerminal(image, shell)
    } else shell.stdout.write(report(image, layer, values.all))
    return undefined
  },
})

function report(image: ExploredImage, only: number | undefined, all: boolean): string {
  const layers = image.layers.map(({ createdBy, sizeBytes, diffID }, i) => {
    if (only !== undefined && i !== only - 1) return ''
    const rows = treeRows(image, i, all ? 'all' : 'changes', new Set(), '')
    const head = `layer ${i + 1}  ${humanSize(sizeBytes)}  ${diffID}\n  ${printable(createdBy)}\n`
    return `${head}${rows.map((row) => `  ${fileLine(row)}\n`).join('')}\n`
  })
  const waste = image.waste.slice(0, 10).map((w) => `  ${humanSize(w.bytes).padStart(8)}  /${printable(w.path)}\n`)
  const wasted =
    waste.length > 0 && only === undefined ? `wasted by what later layers replace or remove:\n${waste.join('')}` : ''
  return `${summaryLine(image)}\n\n${layers.join('')}${wasted}`
}
