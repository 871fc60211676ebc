import { arch, platform } from 'node:os'
import { defineCommand, text } from '../command.js'
import { toJson } from '../format/value.js'
import { version } from '../version.js'

export const command = defineCommand({
  synopsis: '[OPTIONS]',
  summary: 'Show the version of tsbox and what it runs on',
  arguments: [0, 0],
  options: { format: text('"json" or a Go template', 'f') },
  async run(values, _, { shell }) {
    const client = { Version: version, NodeVersion: process.versions.node, Os: platform(), Arch: arch() }
    if (values.format === 'json') shell.stdout.write(`${toJson({ Client: client })}\n`)
    else if (values.format) {
      const { compileTemplate } = await import('../format/template.js')
      shell.stdout.write(`${compileTemplate(values.format)({ Client: client })}\n`)
    } else {
      const lines = [
        ['Version', client.Version],
        ['Node', client.NodeVersion],
        ['OS/Arch', `${client.Os}/${client.Arch}`],
      ]
      shell.stdout.write(`tsbox:\n${lines.map(([k, v]) => ` ${`${k}:`.padEnd(12)}${v}\n`).join('')}`)
    }
    return undefined
  },
})
