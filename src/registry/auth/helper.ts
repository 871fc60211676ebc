import { spawn } from 'node:child_process'
import { errnoCode, TsboxError } from '../../base/error.js'
import type { Credential } from './credentials.js'

/** A helper that asks nobody answers at once; one that asks its user has this long. */
const LIMIT_MS = 120_000
const MAX_BYTES = 1 << 20
/** The user name that stands for an identity token. @see docker-credential-helpers */
const TOKEN_USER = '<token>'

type Env = Readonly<Record<string, string | undefined>>

/**
 * Asks `docker-credential-NAME` for the credentials of a server.
 *
 * @returns undefined where it has none
 * @throws TsboxError E_CREDENTIAL_HELPER
 */
export async function askHelper(name: string, server: string, env: Env): Promise<Credential | undefined> {
  const { status, stdout } = await runHelper(name, 'get', server, env)
  if (status !== 0) {
    if (/credentials not found|no credentials/i.test(stdout)) return undefined
    throw failed(name, 'get', 'it ended with an error')
  }
  let answer: { Username?: unknown; Secret?: unknown }
  try {
    answer = JSON.parse(stdout) as typeof answer
  } catch {
    throw failed(name, 'get', 'its answer is not JSON')
  }
  const { Username: username, Secret: secret } = answer
  if (typeof username !== 'string' || typeof secret !== 'string' || secret === '') return undefined
  return username === TOKEN_USER ? { identityToken: secret } : { username, password: secret }
}

/** Gives credentials to a helper to keep. @throws TsboxError E_CREDENTIAL_HELPER */
export async function storeWithHelper(name: string, server: string, credential: Credential, env: Env): Promise<void> {
  const [username, secret] =
    'identityToken' in credential ? [TOKEN_USER, credential.identityToken] : [credential.username, credential.password]
  const input = JSON.stringify({ ServerURL: server, Username: username, Secret: secret })
  const { status } = await runHelper(name, 'store', input, env)
  if (status !== 0) throw failed(name, 'store', 'it ended with an error')
}

/** Has a helper forget a server. @throws TsboxError E_CREDENTIAL_HELPER */
export async function eraseWithHelper(name: string, server: string, env: Env): Promise<void> {
  const { status, stdout } = await runHelper(name, 'erase', server, env)
  if (status !== 0 && !/credentials not found|no credentials/i.test(stdout))
    throw failed(name, 'erase', 'it ended with an error')
}

/** What it prints is never passed on: it may hold secrets. */
function runHelper(
  name: string,
  verb: 'get' | 'store' | 'erase',
  input: string,
  env: Env,
): Promise<{ status: number | null; stdout: string }> {
  if (!/^[\w.-]+$/.test(name)) throw failed(name, verb, 'not a valid name')
  const program = `docker-credential-${name}`
  return new Promise((resolve, reject) => {
    const child = spawn(program, [verb], { env: { ...env }, stdio: ['pipe', 'pipe', 'inherit'] })
    const timer = setTimeout(() => child.kill('SIGKILL'), LIMIT_MS)
    const chunks: Buffer[] = []
    let size = 0
    child.stdout.on('data', (chunk: Buffer) => {
      size += chunk.length
      if (size > MAX_BYTES) child.kill('SIGKILL')
      else chunks.push(chunk)
    })
    child.on('error', (err) => {
      clearTimeout(timer)
      const missing = errnoCode(err) === 'ENOENT'
      reject(failed(name, verb, missing ? 'it is not installed' : (err as Error).message))
    })
    child.on('close', (status) => {
      clearTimeout(timer)
      resolve({ status, stdout: Buffer.concat(chunks).toString() })
    })
    // One that reads nothing says what is wrong by its status.
    child.stdin.on('error', () => {})
    child.stdin.end(input)
  })
}

function failed(name: string, verb: string, why: string): TsboxError {
  return new TsboxError('E_CREDENTIAL_HELPER', `ask credential helper: ${why}: "docker-credential-${name} ${verb}"`, {
    hint: 'install it, or take it out of credsStore and credHelpers of the configuration file',
  })
}
