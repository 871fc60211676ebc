import { defineCommand, list } from '../command.js'
import { interruptible } from '../interrupt.js'
import { UsageError } from '../usage-error.js'
import { readKey } from './key-file.js'

export const command = defineCommand({
  synopsis: '--key FILE NAME[:TAG|@DIGEST]',
  summary: 'Check that a key has signed an image of a registry',
  arguments: [1, 1],
  options: { key: list('Public key in PEM; of several one must have signed') },
  async run(values, [reference], { engine, resolve, shell }) {
    if (values.key.length === 0) throw new UsageError('--key is required: the file of a public key in PEM')
    const keys = values.key.map((file) => readKey(resolve(file)))
    return await interruptible(shell, async (signal) => {
      const digest = await (await engine()).registry.verifySignature({ reference: reference!, keys, signal })
      shell.stdout.write(`${digest}\n`)
      return undefined
    })
  },
})
