import type { ContainerLoad } from '../../engine/api.js'
import { defineCommand, flag, text } from '../command.js'
import { formatList, type ListLayout } from '../format/list.js'
import { binarySize, humanSize, shortId } from '../format/units.js'
import { interruptible } from '../interrupt.js'

const layout: ListLayout = {
  headings: {
    ID: 'CONTAINER ID',
    Container: 'CONTAINER',
    Name: 'NAME',
    CPUPerc: 'CPU %',
    MemUsage: 'MEM USAGE / LIMIT',
    MemPerc: 'MEM %',
    NetIO: 'NET I/O',
    BlockIO: 'BLOCK I/O',
    PIDs: 'PIDS',
  },
  columns: ['ID', 'Name', 'CPUPerc', 'MemUsage', 'MemPerc', 'NetIO', 'BlockIO', 'PIDs'],
  quiet: 'ID',
}
/** To the first line, and nothing below it: what docker writes before each look. */
const CLEAR = '\u001b[H\u001b[J'

export const command = defineCommand({
  synopsis: '[OPTIONS] [CONTAINER...]',
  summary: 'Show what containers use',
  arguments: [0, Number.POSITIVE_INFINITY],
  options: {
    all: flag('Show all containers (default shows just running)', 'a'),
    format: text('"table", "table TEMPLATE", "json" or a Go template for each container'),
    'no-stream': flag('Look once'),
    'no-trunc': flag("Don't truncate ids"),
  },
  async run(values, names, { engine, shell }) {
    const { containers } = await engine()
    return await interruptible(shell, async (signal) => {
      // Shares of time are known from the second look on.
      let looks = 0
      for await (const usage of await containers.usage(names, { all: values.all })) {
        if (signal.aborted) return 0
        looks++
        if (looks === 1 && usage.length && values['no-stream']) continue
        const rows = usage.map((u) => rowOf(u, values['no-trunc']))
        const lines = await formatList(layout, rows, values.format, false)
        shell.stdout.write(values['no-stream'] ? lines : `${CLEAR}${lines}`)
        if (values['no-stream']) return 0
      }
      return 0
    })
  },
})

function rowOf(u: ContainerLoad, full: boolean): Record<string, string> {
  const percent = (value: number) => `${value.toFixed(2)}%`
  return {
    BlockIO: `${humanSize(u.readBytes)} / ${humanSize(u.writtenBytes)}`,
    CPUPerc: percent(u.cpuPercent),
    Container: full ? u.id : shortId(u.id),
    ID: full ? u.id : shortId(u.id),
    MemPerc: percent(u.memoryLimitBytes ? (u.memoryBytes / u.memoryLimitBytes) * 100 : 0),
    MemUsage: `${binarySize(u.memoryBytes)} / ${binarySize(u.memoryLimitBytes)}`,
    Name: u.name,
    NetIO: `${humanSize(u.receivedBytes)} / ${humanSize(u.sentBytes)}`,
    PIDs: String(u.processes),
  }
}
