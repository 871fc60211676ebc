import { defineCommand, list, text } from '../command.js'
import { interruptible } from '../interrupt.js'
import { UsageError } from '../usage-error.js'
import { readKey } from './key-file.js'

export const command = defineCommand({
  synopsis: '--key FILE [OPTIONS] NAME[:TAG|@DIGEST]',
  summary: 'Sign an image of a registry with a key',
  arguments: [1, 1],
  options: {
    annotation: list('Sign KEY=VALUE along', 'a'),
    key: text('Private key in PEM; the passphrase of an encrypted one is in COSIGN_PASSWORD'),
  },
  async run(values, [reference], { engine, resolve, shell }) {
    if (values.key === undefined) throw new UsageError('--key is required: the file of a private key in PEM')
    const annotations = Object.fromEntries(
      values.annotation.map((text) => {
        const [name, value] = text.split(/=(.*)/s) as [string, string?]
        if (name === '' || value === undefined)
          throw new UsageError(`invalid argument "${text}" for "--annotation" flag: it is not KEY=VALUE`)
        return [name, value]
      }),
    )
    const key = { ...readKey(resolve(values.key)), passphrase: shell.env.COSIGN_PASSWORD }
    return await interruptible(shell, async (signal) => {
      const digest = await (await engine()).registry.sign({ reference: reference!, key, annotations, signal })
      shell.stdout.write(`${digest}\n`)
      return undefined
    })
  },
})
