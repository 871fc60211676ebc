import { TsboxError } from '../../base/error.js'
import { Reference } from '../../oci/reference.js'
import { type Credential, findCredential } from '../../registry/auth/credentials.js'
import { forgetCredential, keepCredential } from '../../registry/auth/keep.js'
import { checkCredential } from '../../registry/login.js'
import { Registry } from '../../registry/registry.js'
import type { LoginOutcome, LoginRequest } from '../api/registry.js'
import type { RegistryDeps } from './deps.js'

/**
 * Proves credentials to a registry and keeps them; a token that stands for the password in its place, where the registry
 * gives one.
 *
 * @throws TsboxError E_REGISTRY_DENIED, E_REGISTRY_UNREACHABLE, E_LOGIN, E_CREDENTIALS
 */
export async function login({ env }: RegistryDeps, request: LoginRequest): Promise<LoginOutcome> {
  const name = registryName(request.registry)
  const { username, password, signal } = request
  const given: Credential | undefined =
    username === undefined || password === undefined
      ? await findCredential({ env }, name, undefined)
      : { username, password }
  if (!given)
    throw new TsboxError('E_LOGIN', `log in: no credentials are stored for "${name}"`, {
      hint: 'give --username and --password-stdin',
    })
  const registry = await Registry.open({ env, credential: async () => given })
  try {
    const endpoint = registry.endpoints.of(new Reference({ domain: name, path: 'login' }), 'push')[0]!
    const lasting = await checkCredential(registry, { ...endpoint, path: '' }, given, signal)
    // What was stored and is right stays where it is.
    if (password === undefined) return { stored: [], plain: false }
    const kept = await keepCredential({ env }, name, lasting)
    return { stored: kept.map((k) => k.where), plain: kept.some((k) => k.plain) }
  } finally {
    registry.close()
  }
}

/** @returns files and helpers that knew the registry */
export async function logout({ env }: RegistryDeps, registry: string | undefined): Promise<string[]> {
  return forgetCredential({ env }, registryName(registry))
}

export async function storedUser({ env }: RegistryDeps, registry: string | undefined): Promise<string | undefined> {
  const found = await findCredential({ env }, registryName(registry), undefined)
  return found && 'username' in found ? found.username : undefined
}

/** `host[:port]` of what the user wrote, which may be an address as docker's documentation has it. */
function registryName(text: string | undefined): string {
  const name = (text ?? 'docker.io').replace(/^https?:\/\//, '').replace(/\/(v[12]\/?)?$/, '')
  if (['docker.io', 'index.docker.io', 'registry-1.docker.io'].includes(name)) return 'docker.io'
  if (/^[\w.-]+(:\d+)?$|^\[[\da-f:]+\](:\d+)?$/i.test(name)) return name
  throw new TsboxError('E_LOGIN', `log in: not a registry: "${text}"`, { hint: 'write it as HOST or HOST:PORT' })
}
