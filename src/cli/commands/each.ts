import { TsboxError } from '../../base/error.js'
import type { Shell } from '../shell.js'

/**
 * Does something to each of several things, also after one failed, and prints the name of each that it worked for.
 *
 * @throws the first failure; the others are told on the way
 */
export async function forEach(
  names: readonly string[],
  shell: Shell,
  work: (name: string) => Promise<string | undefined>,
): Promise<void> {
  const failures: TsboxError[] = []
  for (const name of names) {
    try {
      const line = await work(name)
      if (line !== undefined) shell.stdout.write(`${line}\n`)
    } catch (err) {
      if (!(err instanceof TsboxError)) throw err
      failures.push(err)
    }
  }
  for (const err of failures.slice(1)) shell.stderr.write(`ERROR: ${err.message}\n`)
  if (failures[0]) throw failures[0]
}
