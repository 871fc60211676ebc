import { arch, platform, release } from 'node:os'
import { defineCommand, text } from '../command.js'
import { toJson } from '../format/value.js'
import { version } from '../version.js'

/** Go's names of the machines that Node runs on. */
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386', ppc64: 'ppc64le' }

export const command = defineCommand({
  synopsis: '[OPTIONS]',
  summary: 'Show the version of tsbox and what it runs on',
  arguments: [0, 0],
  options: { format: text('"json" or a Go template', 'f') },
  async run(values, _, { shell }) {
    const versions = versionsOf()
    if (values.format === 'json') shell.stdout.write(`${toJson(versions)}\n`)
    else if (values.format) {
      const { compileTemplate } = await import('../format/template.js')
      shell.stdout.write(`${compileTemplate(values.format)(versions)}\n`)
    } else shell.stdout.write(textOf(versions))
    return undefined
  },
})

/** Docker's shape. There is no daemon: client and server are the same program. */
function versionsOf() {
  const os = platform()
  const machine = ARCHITECTURES[arch()] ?? arch()
  const node = process.versions.node
  return {
    Client: { Version: version, NodeVersion: node, Os: os, Arch: machine, Context: 'default' },
    Server: {
      Platform: { Name: 'tsbox' },
      Components: [{ Name: 'Engine', Version: version, Details: { Arch: machine, NodeVersion: node, Os: os } }],
      Version: version,
      NodeVersion: node,
      Os: os,
      Arch: machine,
      KernelVersion: release(),
    },
  }
}

function textOf({ Client, Server }: ReturnType<typeof versionsOf>): string {
  const line = (name: string, value: string, indent: string) => `${indent}${`${name}:`.padEnd(18)}${value}\n`
  return [
    'Client:\n',
    line('Version', Client.Version, ' '),
    line('Node version', Client.NodeVersion, ' '),
    line('OS/Arch', `${Client.Os}/${Client.Arch}`, ' '),
    line('Context', Client.Context, ' '),
    '\nServer: tsbox (no daemon: the same program)\n',
    ' Engine:\n',
    line('Version', Server.Version, '  '),
    line('Node version', Server.NodeVersion, '  '),
    line('OS/Arch', `${Server.Os}/${Server.Arch}`, '  '),
    line('Kernel version', Server.KernelVersion, '  '),
  ].join('')
}
