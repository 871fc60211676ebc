import { defineCommand, flag, text } from '../command.js'
import { streamRequest } from './stream-request.js'

export const command = defineCommand({
  synopsis: '[OPTIONS] CONTAINER',
  summary: "Join a running container's input, output and errors",
  arguments: [1, 1],
  options: {
    'detach-keys': text('Keys that leave a container with a terminal (default ctrl-p,ctrl-q)'),
    'no-stdin': flag('Do not give it standard input'),
    'sig-proxy': flag('Pass signals on (default)'),
  },
  initially: { 'sig-proxy': true },
  async run(values, [name], { engine, shell }) {
    const options = { stdin: !values['no-stdin'], sigProxy: values['sig-proxy'], detachKeys: values['detach-keys'] }
    return await (await engine()).containers.attach(name!, streamRequest(shell, options))
  },
})
