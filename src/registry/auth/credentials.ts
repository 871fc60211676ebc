import { accessSync, constants } from 'node:fs'
import { join } from 'node:path'
import { TsboxError } from '../../base/error.js'
import { Fields } from '../config/fields.js'
import { type ConfigPlaces, configHome, readText } from '../config/load.js'
import { askHelper } from './helper.js'

/** What a registry knows a user by. Never shown. */
export type Credential = { username: string; password: string } | { identityToken: string }

/** Docker Hub's name in docker's configuration. */
export const DOCKER_HUB_KEY = 'https://index.docker.io/v1/'

/** A file of credentials, as docker's `config.json` and containers' `auth.json` are. */
export interface CredentialFile {
  path: string
  /** `auth.json` also has entries for parts of a registry, and docker's names of Docker Hub are not used there. */
  kind: 'docker' | 'containers'
}

/** Where credentials may be, in the order in which they are looked for. */
export function credentialFiles(places: ConfigPlaces): CredentialFile[] {
  const { env } = places
  if (env.REGISTRY_AUTH_FILE) return [{ path: env.REGISTRY_AUTH_FILE, kind: 'containers' }]
  const docker = dockerConfig(places)
  return [...(docker ? [{ path: docker, kind: 'docker' as const }] : []), ...containersFiles(places)]
}

/** Docker's `config.json`; undefined for a user without a home. */
export function dockerConfig({ env, home = env.HOME }: ConfigPlaces): string | undefined {
  if (env.DOCKER_CONFIG) return join(env.DOCKER_CONFIG, 'config.json')
  return home ? join(home, '.docker', 'config.json') : undefined
}

/** Containers' `auth.json`: that of this session, then the lasting one. @see containers-auth.json(5) */
export function containersFiles(places: ConfigPlaces): CredentialFile[] {
  const { XDG_RUNTIME_DIR: runtime } = places.env
  const config = configHome(places)
  const session = runtime ? join(runtime, 'containers') : `/run/containers/${process.getuid?.() ?? 0}`
  const folders = [session, ...(config ? [join(config, 'containers')] : [])]
  // Without a session's folder podman takes one of the machine's, which may be somebody else's.
  return folders
    .filter((dir) => runtime || dir !== session || isReadable(join(dir, 'auth.json')))
    .map((dir) => ({ path: join(dir, 'auth.json'), kind: 'containers' as const }))
}

function isReadable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK)
    return true
  } catch {
    return false
  }
}

/**
 * Finds what to say to a registry.
 *
 * @param registry `host[:port]`, or `docker.io`
 * @param path the repository, for files that have credentials for parts of a registry
 * @throws TsboxError E_CREDENTIALS for a file or a helper that does not work
 */
export async function findCredential(
  places: ConfigPlaces,
  registry: string,
  path: string | undefined,
): Promise<Credential | undefined> {
  const given = places.env.DOCKER_AUTH_CONFIG
  if (given && !places.env.REGISTRY_AUTH_FILE) {
    const found = await inDocument(parseDocument(given, 'DOCKER_AUTH_CONFIG'), 'docker', registry, path, places)
    if (found) return found
  }
  for (const { path: file, kind } of credentialFiles(places)) {
    const text = readText(file)
    if (text === undefined || text.trim() === '') continue
    const found = await inDocument(parseDocument(text, file), kind, registry, path, places)
    if (found) return found
  }
  return undefined
}

/** @throws TsboxError E_CREDENTIALS; what the file holds is not in it */
export function parseDocument(text: string, file: string): Fields {
  try {
    return new Fields(JSON.parse(text), file)
  } catch {
    throw new TsboxError('E_CREDENTIALS', `read credentials: not a JSON object: "${file}"`, {
      hint: 'mend or remove the file, then log in again',
    })
  }
}

/** Names under which a registry's credentials may be kept, the most telling first. */
export function keysOf(registry: string): string[] {
  if (registry !== 'docker.io') return [registry, `https://${registry}`, `http://${registry}`]
  return [DOCKER_HUB_KEY, 'docker.io', 'index.docker.io', 'registry-1.docker.io', 'https://registry-1.docker.io']
}

async function inDocument(
  document: Fields,
  kind: CredentialFile['kind'],
  registry: string,
  path: string | undefined,
  places: ConfigPlaces,
): Promise<Credential | undefined> {
  const keys = keysOf(registry)
  const helpers = document.table('credHelpers')
  const own = keys.find((k) => helpers?.text(k))
  if (own !== undefined) return askHelper(helpers!.text(own)!, serverOf(registry), places.env)
  const auths = document.table('auths')
  const names = kind === 'containers' && path !== undefined ? [...partsOf(registry, path), ...keys] : keys
  for (const name of names) {
    // Docker writes keys with a path at times: https://host/v1/.
    const key = auths?.names.find((k) => k === name || (keys.includes(name) && withoutPath(k) === name))
    const found = key === undefined ? undefined : decode(auths!.table(key)!, key)
    if (found) return found
  }
  const store = document.text('credsStore')
  return store ? askHelper(store, serverOf(registry), places.env) : undefined
}

/** What credential helpers know a registry by. */
export function serverOf(registry: string): string {
  return registry === 'docker.io' ? DOCKER_HUB_KEY : registry
}

function withoutPath(key: string): string {
  return key.replace(/^https?:\/\//, '').replace(/\/v[12]\/?$|\/$/, '')
}

/** `host/a/b`, `host/a`: the longest first. */
function partsOf(registry: string, path: string): string[] {
  const parts = path.split('/')
  return parts.map((_, i) => `${registry}/${parts.slice(0, parts.length - i).join('/')}`)
}

function decode(entry: Fields, key: string): Credential | undefined {
  const identityToken = entry.text('identitytoken')
  if (identityToken) return { identityToken }
  const username = entry.text('username')
  const password = entry.text('password')
  if (username && password !== undefined) return { username, password }
  const auth = entry.text('auth')
  if (!auth) return undefined
  const text = Buffer.from(auth, 'base64').toString()
  const colon = text.indexOf(':')
  if (colon <= 0)
    throw new TsboxError('E_CREDENTIALS', `read credentials: "auth" is not base64 of NAME:PASSWORD, for "${key}"`, {
      hint: 'log in again',
    })
  return { username: text.slice(0, colon), password: text.slice(colon + 1).replace(/\0+$/, '') }
}
