import { TsboxError } from '../../base/error.js'
import { defineCommand } from '../command.js'

/** No port is ever published: containers have the network of the host, or none. */
export const command = defineCommand({
  synopsis: 'CONTAINER [PRIVATE_PORT[/PROTO]]',
  summary: 'List the published ports of a container',
  arguments: [1, 2],
  options: {},
  async run(_, [name, port], { engine }) {
    const { Name, NetworkSettings } = await (await engine()).containers.inspect(name!)
    const ports = (NetworkSettings as { Ports: Record<string, unknown> }).Ports
    if (port === undefined || Object.hasOwn(ports, port)) return undefined
    throw new TsboxError('E_PORT', `No public port '${port}' published for ${String(Name).slice(1)}`, {
      hint: 'what listens in a container with the network of the host is reached at its own port',
    })
  },
})
