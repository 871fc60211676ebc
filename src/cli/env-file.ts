import { readFileSync } from 'node:fs'
import { TsboxError } from '../base/error.js'

/**
 * Variables of docker's `--env-file`: `K=V` or `K` a line, `#` starts a comment line, nothing is quoted or expanded.
 *
 * @throws {TsboxError} E_ENV_FILE with the line
 */
export function readEnvFile(path: string): string[] {
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(path))
  } catch (err) {
    throw new TsboxError('E_ENV_FILE', `cannot read variables from "${path}": ${(err as Error).message}`, {
      exitCode: 125,
      cause: err,
    })
  }
  return parseEnvFile(text, path)
}

/** @param file its name for messages */
export function parseEnvFile(text: string, file: string): string[] {
  return text.split('\n').flatMap((raw, i) => {
    const line = raw.replace(/\r$/, '').trimStart()
    if (line === '' || line.startsWith('#')) return []
    const name = line.split('=')[0]!
    if (name !== '' && !/\s/.test(name)) return [line]
    const what = name === '' ? 'no variable name on line' : 'variable name contains white space'
    throw new TsboxError('E_ENV_FILE', `cannot read variables from "${file}": ${what} "${line}"`, {
      exitCode: 125,
      location: { file, line: i + 1, text },
    })
  })
}
