import { defineCommand } from '../command.js'
import { cidFile } from './cid-file.js'
import { CREATE_OPTIONS, createRequest } from './create-options.js'
import { RUN_REFUSED } from './run-refused.js'

export const command = defineCommand({
  synopsis: '[OPTIONS] IMAGE [COMMAND] [ARG...]',
  summary: 'Create a new container, and do not start it',
  arguments: [1, Number.POSITIVE_INFINITY],
  failureStatus: 125,
  stopsAtArgument: true,
  options: CREATE_OPTIONS,
  refused: RUN_REFUSED,
  async run(values, args, { engine, resolve, shell }) {
    const onCreated = cidFile(values.cidfile === undefined ? undefined : resolve(values.cidfile))
    const request = await createRequest(values, args, resolve)
    const id = await (await engine()).containers.create({ ...request, onCreated, signal: new AbortController().signal })
    shell.stdout.write(`${id}\n`)
    return undefined
  },
})
