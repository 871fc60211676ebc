import { defineCommand, flag, text } from '../command.js'
import { formatList, type ListLayout } from '../format/list.js'

const layout: ListLayout = {
  headings: { Driver: 'DRIVER', Mode: 'ID MODE', Mountpoint: 'MOUNTPOINT', Name: 'VOLUME NAME' },
  columns: ['Driver', 'Name'],
  quiet: 'Name',
}

export const command = defineCommand({
  synopsis: '[OPTIONS]',
  summary: 'List volumes',
  arguments: [0, 0],
  options: {
    format: text('"table", "table TEMPLATE", "json" or a Go template for each volume'),
    quiet: flag('Only show names', 'q'),
  },
  refused: { 'filter,f': 'volumes are not filtered yet' },
  async run(values, _, { engine, shell }) {
    const volumes = await (await engine()).volumes.list()
    const rows = volumes.map((v) => ({ Driver: 'local', Mode: v.mode, Mountpoint: v.mountpoint, Name: v.name }))
    shell.stdout.write(await formatList(layout, rows, values.format, values.quiet))
    return undefined
  },
})
