import { defineCommand } from '../command.js'
import { UsageError } from '../usage-error.js'
import { forEach } from './each.js'
import { LIMIT_OPTIONS, resourcesOf } from './run-resources.js'
import { warnings } from './warnings.js'

const REALTIME = 'cgroup v2 has no shares of real-time scheduling'

export const command = defineCommand({
  synopsis: '[OPTIONS] CONTAINER [CONTAINER...]',
  summary: 'Change limits of containers',
  arguments: [1, Number.POSITIVE_INFINITY],
  options: LIMIT_OPTIONS,
  refused: {
    'cpu-rt-period': REALTIME,
    'cpu-rt-runtime': REALTIME,
    'kernel-memory': 'the kernel counts its memory with that of the container: use --memory',
    restart: 'nothing starts containers again yet',
  },
  async run(values, names, { engine, shell }) {
    const resources = await resourcesOf(values)
    if (!resources) throw new UsageError('you must provide one or more flags when using this command')
    const { containers } = await engine()
    await forEach(names, shell, async (name) => {
      await containers.update(name, resources, warnings(shell))
      return name
    })
    return undefined
  },
})
