import { join } from 'node:path'
import { TsboxError } from '../../base/error.js'
import type { Reference } from '../../oci/reference.js'
import { Fields } from './fields.js'
import { type ConfigPlaces, configHome, readText } from './load.js'

/** Keys, of which one must have signed an image. */
export interface SignedRequirement {
  type: 'sigstoreSigned'
  /** PEM, each. */
  keys: readonly string[]
  /** What name a signature must be for. */
  identity: { type: 'matchRepoDigestOrExact' | 'matchRepository' | 'matchExact' } | { type: 'exact'; name: string }
}

/** What an image must fulfil before it may come here. */
export type Requirement =
  | { type: 'accept' }
  | { type: 'reject' }
  | { type: 'unsupported'; name: string }
  | SignedRequirement

/** Which images may be pulled. */
export interface Policy {
  /** All of them must be fulfilled. */
  requirementsFor(reference: Reference): readonly Requirement[]
  /** For messages; undefined where there is no policy. */
  file: string | undefined
}

const OPEN: Policy = { requirementsFor: () => [], file: undefined }

/**
 * Containers' `policy.json`: the user's, else the machine's. Where there is none, everything may be pulled.
 *
 * @throws TsboxError E_REGISTRY_CONFIG
 * @see containers-policy.json(5)
 */
export function loadPolicy(places: ConfigPlaces): Policy {
  const home = configHome(places)
  const files = [...(home ? [join(home, 'containers')] : []), join(places.etc ?? '/etc', 'containers')]
  for (const dir of files) {
    const file = join(dir, 'policy.json')
    const text = readText(file)
    if (text !== undefined) return parsePolicy(text, file)
  }
  return OPEN
}

/** @throws TsboxError E_REGISTRY_CONFIG */
export function parsePolicy(text: string, file: string): Policy {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new TsboxError('E_REGISTRY_CONFIG', `read policy: not JSON: "${file}"`, { cause })
  }
  const top = new Fields(value, file)
  const initially = requirements(top, 'default', file)
  if (initially.length === 0) throw top.wrong('default', 'a list of requirements')
  const docker = top.table('transports')?.table('docker')
  const scopes = new Map((docker?.names ?? []).map((scope) => [scope, requirements(docker!, scope, file)]))
  return {
    file,
    requirementsFor: (reference) =>
      scopesOf(reference).flatMap((s) => (scopes.has(s) ? [scopes.get(s)!] : []))[0] ?? initially,
  }
}

/** The image, its repository, what that is in, its host, the domains that is in, everything: the closest first. */
function scopesOf(reference: Reference): string[] {
  const parts = reference.repository.split('/')
  const paths = parts.map((_, i) => parts.slice(0, parts.length - i).join('/'))
  const host = reference.domain.replace(/:\d+$/, '').split('.')
  const domains = host.slice(1).map((_, i) => `*.${host.slice(i + 1).join('.')}`)
  return [reference.toString(), ...paths, ...domains, '']
}

function requirements(at: Fields, name: string, file: string): Requirement[] {
  return at.tables(name).map((f) => requirement(f, file))
}

function requirement(f: Fields, file: string): Requirement {
  const type = f.text('type')
  if (type === 'insecureAcceptAnything') return { type: 'accept' }
  if (type === 'reject') return { type: 'reject' }
  if (type !== 'sigstoreSigned') return { type: 'unsupported', name: type ?? '' }
  const other = f.names.find(
    (n) => !['type', 'keyPath', 'keyPaths', 'keyData', 'keyDatas', 'signedIdentity'].includes(n),
  )
  // Fulcio and Rekor: keys of a service, which are not looked up.
  if (other !== undefined) return { type: 'unsupported', name: `sigstoreSigned with ${other}` }
  const paths = [f.text('keyPath') ?? [], f.texts('keyPaths')].flat()
  const datas = [f.text('keyData') ?? [], f.texts('keyDatas')].flat()
  const keys = [...paths.map((p) => keyFile(p, file)), ...datas.map((d) => Buffer.from(d, 'base64').toString())]
  if (keys.length === 0) throw f.wrong('keyPath', 'set, nor is keyData')
  return { type, keys, identity: identityOf(f.table('signedIdentity')) }
}

function identityOf(f: Fields | undefined): SignedRequirement['identity'] {
  if (!f) return { type: 'matchRepoDigestOrExact' }
  const type = f.text('type')
  if (type === 'matchRepoDigestOrExact' || type === 'matchRepository' || type === 'matchExact') return { type }
  const name = f.text(type === 'exactReference' ? 'dockerReference' : 'dockerRepository')
  if ((type === 'exactReference' || type === 'exactRepository') && name !== undefined) return { type: 'exact', name }
  throw f.wrong('type', 'a kind of identity that is known')
}

function keyFile(path: string, policy: string): string {
  const text = readText(path)
  if (text !== undefined) return text
  throw new TsboxError('E_REGISTRY_CONFIG', `read policy: no such key: "${path}" in "${policy}"`)
}
