import { defineCommand } from '../command.js'

export const command = defineCommand({
  synopsis: '[SERVER]',
  summary: 'Forget the credentials for a registry',
  arguments: [0, 1],
  options: {},
  async run(_, [registry], { engine, shell }) {
    const from = await (await engine()).registry.logout(registry)
    const name = registry ?? 'docker.io'
    const done = from.length ? `Removing login credentials for ${name}\n` : `Not logged in to ${name}\n`
    shell.stdout.write(done)
    return undefined
  },
})
