import { readFileSync } from 'node:fs'
import type { BuildRequest } from '../api.js'

/** Content of a secret of the build; undefined where none of that id was given. */
export async function secretValue(
  secrets: BuildRequest['secrets'],
  env: Readonly<Record<string, string | undefined>>,
  id: string,
): Promise<Uint8Array | undefined> {
  const given = Object.hasOwn(secrets, id) ? secrets[id] : undefined
  if (!given) return undefined
  if (given.env !== undefined) {
    const value = env[given.env]
    return value === undefined ? undefined : new TextEncoder().encode(value)
  }
  return given.file === undefined ? undefined : readFileSync(given.file)
}
