import { TsboxError } from '../../base/error.js'
import { defineCommand, flag, text } from '../command.js'
import { interruptible } from '../interrupt.js'
import { ask } from '../prompt.js'
import type { Shell } from '../shell.js'
import { UsageError } from '../usage-error.js'

/** No password is longer. */
const MAX_PASSWORD_BYTES = 1 << 16

export const command = defineCommand({
  synopsis: '[OPTIONS] [SERVER]',
  summary: 'Log in to a registry',
  arguments: [0, 1],
  options: {
    'password-stdin': flag('Read the password from standard input'),
    username: text('User name', 'u'),
  },
  refused: {
    'password,p': 'every process of the machine can read a command line: use --password-stdin',
  },
  async run(values, [registry], { engine, shell }) {
    return await interruptible(shell, async (signal) => {
      const opened = (await engine()).registry
      const { 'password-stdin': piped, username } = values
      if (piped && !username) throw new UsageError('must provide --username with --password-stdin', { exitCode: 1 })
      const given = piped
        ? { username: username!, password: await readPassword(shell) }
        : await answered(shell, username, await opened.storedUser(registry))
      const { stored, plain } = await opened.login({ registry, ...given, signal })
      if (plain) shell.stderr.write(`WARNING! Your credentials are stored unencrypted in '${stored[0]}'.\n`)
      shell.stdout.write('Login Succeeded\n')
      return undefined
    })
  },
})

/** Asks at the terminal; without one, what is stored is tried. */
async function answered(
  shell: Shell,
  given: string | undefined,
  stored: string | undefined,
): Promise<{ username?: string; password?: string }> {
  if (!shell.stdin.isTerminal) {
    if (given === undefined) return {}
    throw new TsboxError('E_NO_TERMINAL', 'log in: there is no terminal to ask for the password', {
      hint: 'give it with --password-stdin',
    })
  }
  const question = stored === undefined ? 'Username: ' : `Username (${stored}): `
  const username = given ?? ((await ask(shell, question, false)) || stored)
  if (!username) throw new TsboxError('E_LOGIN', 'log in: a user name is required')
  const password = await ask(shell, 'Password: ', true)
  if (password === '') throw new TsboxError('E_LOGIN', 'log in: a password is required')
  return { username, password }
}

/** All of standard input, its last line's end aside. */
async function readPassword(shell: Shell): Promise<string> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of shell.stdin.stream()) {
    size += chunk.length
    if (size > MAX_PASSWORD_BYTES)
      throw new TsboxError('E_LOGIN', 'log in: standard input holds no password: it is too long')
    chunks.push(chunk)
  }
  const password = Buffer.concat(chunks)
    .toString()
    .replace(/\r?\n$/, '')
  if (password === '') throw new TsboxError('E_LOGIN', 'log in: the password on standard input is empty')
  return password
}
