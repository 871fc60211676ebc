import type { RunRequest } from '../../engine/api.js'
import { defineCommand } from '../command.js'
import { cidFile } from './cid-file.js'
import { CREATE_OPTIONS, createRequest } from './create-options.js'
import { showingPull } from './pull-missing.js'
import { RUN_REFUSED } from './run-refused.js'
import { warnings } from './warnings.js'

export const command = defineCommand({
  synopsis: '[OPTIONS] IMAGE [COMMAND] [ARG...]',
  summary: 'Create a new container, and do not start it',
  arguments: [1, Number.POSITIVE_INFINITY],
  failureStatus: 125,
  stopsAtArgument: true,
  options: CREATE_OPTIONS,
  refused: RUN_REFUSED,
  async run(values, args, { debug, engine, resolve, shell }) {
    const onCreated = cidFile(values.cidfile === undefined ? undefined : resolve(values.cidfile))
    const request = await createRequest(values, args, resolve)
    const showing = { shell, debug, image: request.image, quiet: values.quiet }
    const { containers } = await engine()
    const { signal } = new AbortController()
    const onWarning = warnings(shell)
    const create = (pull: RunRequest['pull']) => containers.create({ ...request, pull, onCreated, onWarning, signal })
    const id = await showingPull(values.pull, showing, create)
    shell.stdout.write(`${id}\n`)
    return undefined
  },
})
