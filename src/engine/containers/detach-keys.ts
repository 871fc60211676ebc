import { readFileSync } from 'node:fs'
import { TsboxError } from '../../base/error.js'

const DEFAULT = 'ctrl-p,ctrl-q'
/** As the helper has it. */
const KEYS_MAX = 64

/** Bytes of docker's notation: single characters, or `ctrl-` and one of `a`–`z`, `@`, `[`, `\`, `]`, `^`, `_`. */
export function parseDetachKeys(text: string): number[] {
  if (text === '') return []
  return text.split(',').map((key) => {
    const control = /^ctrl-([a-z@[\\\]^_])$/.exec(key)
    if (control) return control[1] === '@' ? 0 : control[1]!.toUpperCase().charCodeAt(0) - 64
    if (key.length === 1 && key.charCodeAt(0) < 128) return key.charCodeAt(0)
    throw new TsboxError('E_DETACH_KEYS', `invalid detach keys (${text}) provided`, {
      hint: 'for example ctrl-p,ctrl-q',
    })
  })
}

/** The user's own keys: `detachKeys` of docker's configuration file. */
function configuredKeys(env: Readonly<Record<string, string | undefined>>): string | undefined {
  const dir = env.DOCKER_CONFIG || (env.HOME && `${env.HOME}/.docker`)
  if (!dir) return undefined
  try {
    const { detachKeys } = JSON.parse(readFileSync(`${dir}/config.json`, 'utf8')) as { detachKeys?: unknown }
    return typeof detachKeys === 'string' && detachKeys !== '' ? detachKeys : undefined
  } catch {
    // None, or none that can be read: whoever logs in to a registry with it is told.
    return undefined
  }
}

/**
 * Bytes of the keys that leave a container.
 *
 * @param text as given; undefined is the configuration file's, else docker's default; '' is none
 * @throws TsboxError E_DETACH_KEYS
 */
export function detachKeyBytes(text: string | undefined, env: Readonly<Record<string, string | undefined>>): number[] {
  const keys = parseDetachKeys(text ?? configuredKeys(env) ?? DEFAULT)
  if (keys.length <= KEYS_MAX) return keys
  throw new TsboxError('E_DETACH_KEYS', `invalid detach keys (${text}) provided: more than ${KEYS_MAX}`)
}

/** Watches typed bytes for the keys that leave; what may be their beginning is held back until it is known. */
export class DetachKeys {
  readonly #keys: readonly number[]
  #held = 0

  /** @param text docker's notation; undefined is its default, '' no keys at all. @throws TsboxError E_DETACH_KEYS */
  constructor(text: string | undefined, env: Readonly<Record<string, string | undefined>> = process.env) {
    this.#keys = detachKeyBytes(text, env)
  }

  /** @returns what is for the program, and whether the keys were typed */
  take(chunk: Uint8Array): { rest: Uint8Array; left: boolean } {
    const keys = this.#keys
    if (keys.length === 0) return { rest: chunk, left: false }
    const out: number[] = []
    for (const byte of chunk) {
      if (byte === keys[this.#held]) {
        this.#held++
        if (this.#held === keys.length) return { rest: Uint8Array.from(out), left: true }
        continue
      }
      out.push(...keys.slice(0, this.#held))
      this.#held = byte === keys[0] ? 1 : 0
      if (this.#held === 0) out.push(byte)
    }
    return { rest: Uint8Array.from(out), left: false }
  }
}
