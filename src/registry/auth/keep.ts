import { lstatSync, mkdirSync, realpathSync } from 'node:fs'
import { dirname } from 'node:path'
import { errnoCode, TsboxError } from '../../base/error.js'
import { writeFileAtomic } from '../../util/atomic.js'
import { randomId } from '../../util/random.js'
import { type ConfigPlaces, readText } from '../config/load.js'
import {
  type Credential,
  type CredentialFile,
  containersFiles,
  credentialFiles,
  dockerConfig,
  keysOf,
  parseDocument,
  serverOf,
} from './credentials.js'
import { eraseWithHelper, storeWithHelper } from './helper.js'

/** Where credentials were put. */
export interface Kept {
  /** A file, or a helper. */
  where: string
  /** Whether they can be read there. */
  plain: boolean
}

type Document = Record<string, unknown> & {
  auths?: Record<string, Record<string, unknown>>
  credHelpers?: Record<string, string>
  credsStore?: string
}

/**
 * Keeps credentials: in `REGISTRY_AUTH_FILE` where it is set, else in docker's `config.json`, and in containers'
 * `auth.json` where there is one. A file that names a helper for the registry gets no secret; the helper does.
 *
 * @throws TsboxError E_CREDENTIALS, E_CREDENTIAL_HELPER
 */
export async function keepCredential(places: ConfigPlaces, registry: string, credential: Credential): Promise<Kept[]> {
  const out: Kept[] = []
  for (const file of filesToWrite(places)) {
    const document = read(file)
    const key = keyIn(file, registry)
    const helper = helperFor(document, registry)
    if (helper !== undefined) await storeWithHelper(helper, serverOf(registry), credential, places.env)
    const entry = helper === undefined ? encode(credential, file) : {}
    write(file, { ...document, auths: { ...withoutKeys(document.auths, registry), [key]: entry } })
    out.push(
      helper === undefined ? { where: file.path, plain: true } : { where: `docker-credential-${helper}`, plain: false },
    )
  }
  if (out.length) return out
  throw new TsboxError('E_CREDENTIALS', 'keep credentials: this user has no home', {
    hint: 'set HOME, or DOCKER_CONFIG',
  })
}

/** Forgets a registry everywhere. @returns files and helpers that knew it */
export async function forgetCredential(places: ConfigPlaces, registry: string): Promise<string[]> {
  const out: string[] = []
  for (const file of credentialFiles(places)) {
    const document = readIfThere(file)
    if (!document) continue
    const known = keysOf(registry).some((k) => document.auths && Object.hasOwn(document.auths, k))
    const helper = helperFor(document, registry)
    if (helper !== undefined && known) {
      await eraseWithHelper(helper, serverOf(registry), places.env)
      out.push(`docker-credential-${helper}`)
    }
    if (!known) continue
    write(file, { ...document, auths: withoutKeys(document.auths, registry) })
    out.push(file.path)
  }
  return out
}

function filesToWrite(places: ConfigPlaces): CredentialFile[] {
  if (places.env.REGISTRY_AUTH_FILE) return credentialFiles(places)
  const docker = dockerConfig(places)
  const inUse = containersFiles(places).filter((f) => readText(f.path) !== undefined)
  return [...(docker ? [{ path: docker, kind: 'docker' as const }] : []), ...inUse]
}

function keyIn({ kind }: CredentialFile, registry: string): string {
  return kind === 'docker' ? serverOf(registry) : registry
}

function helperFor({ credHelpers = {}, credsStore }: Document, registry: string): string | undefined {
  const own = keysOf(registry).find((k) => Object.hasOwn(credHelpers, k))
  return own === undefined ? credsStore || undefined : credHelpers[own]
}

function withoutKeys(auths: Document['auths'] = {}, registry: string): NonNullable<Document['auths']> {
  const keys = keysOf(registry)
  return Object.fromEntries(Object.entries(auths).filter(([k]) => !keys.includes(k)))
}

function encode(credential: Credential, file: CredentialFile): Record<string, string> {
  if ('username' in credential) {
    const { username, password } = credential
    if (username.includes(':'))
      throw new TsboxError('E_CREDENTIALS', `keep credentials: a user name may have no colon: "${file.path}"`)
    return { auth: Buffer.from(`${username}:${password}`).toString('base64') }
  }
  return { auth: Buffer.from('<token>:').toString('base64'), identitytoken: credential.identityToken }
}

function read(file: CredentialFile): Document {
  return readIfThere(file) ?? {}
}

function readIfThere({ path }: CredentialFile): Document | undefined {
  const text = readText(path)
  if (text === undefined || text.trim() === '') return undefined
  parseDocument(text, path)
  return JSON.parse(text) as Document
}

/** By rename, for this user only; a file that is a link stays one. */
function write({ path }: CredentialFile, document: Document): void {
  try {
    const real = lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() ? realpathSync(path) : path
    mkdirSync(dirname(real), { recursive: true, mode: 0o700 })
    writeFileAtomic(real, `${JSON.stringify(document, undefined, '\t')}\n`, {
      temp: `${real}.${randomId()}`,
      mode: 0o600,
    })
  } catch (cause) {
    if (cause instanceof TsboxError) throw cause
    throw new TsboxError('E_CREDENTIALS', `keep credentials: ${errnoCode(cause) ?? 'failed'}: "${path}"`, {
      cause,
      hint: 'make the folder writable, or name another file in REGISTRY_AUTH_FILE',
    })
  }
}
