import type { Reference } from '../oci/reference.js'
import { Authorizer } from './auth/authorizer.js'
import { type Credential, findCredential } from './auth/credentials.js'
import { certificatesFor } from './config/certificates.js'
import { type Endpoint, Endpoints, type Purpose } from './config/endpoints.js'
import { type ConfigPlaces, loadRules } from './config/load.js'
import { loadPolicy, type Policy } from './config/policy.js'
import { Connection } from './connection.js'
import { DEFAULT_RETRY, type RetryPolicy } from './http/retry.js'
import { Transport } from './http/transport.js'
import { Repository } from './repository.js'

/** What registries are reached with. */
export interface RegistryOptions extends ConfigPlaces {
  retry?: RetryPolicy | undefined
  /** Takes the place of what configuration files have. */
  credential?: ((registry: string, path: string | undefined) => Promise<Credential | undefined>) | undefined
}

/**
 * Registries as this user reaches them: configuration, credentials and connections are found once and shared. It needs no
 * store. Close it: connections are kept open otherwise.
 */
export class Registry {
  readonly endpoints: Endpoints
  readonly policy: Policy
  readonly #options: RegistryOptions
  /** For requests that are none of a registry's API. */
  readonly transport: Transport
  readonly #connections = new Map<string, Connection>()
  /** Hosts whose certificates are not checked. */
  readonly #unverified = new Set<string>()

  private constructor(options: RegistryOptions, endpoints: Endpoints, policy: Policy) {
    this.#options = options
    this.endpoints = endpoints
    this.policy = policy
    this.transport = new Transport({
      env: options.env,
      security: (host) => ({
        certificates: () => certificatesFor(host, options, endpoints.certificates(host)),
        skipVerify: this.#unverified.has(host),
      }),
    })
  }

  /** @throws TsboxError E_REGISTRY_CONFIG */
  static async open(options: RegistryOptions): Promise<Registry> {
    return new Registry(options, new Endpoints(await loadRules(options)), loadPolicy(options))
  }

  /**
   * The repository of a reference at each place that may have it, in the order to ask them.
   *
   * @throws TsboxError E_REGISTRY_BLOCKED
   */
  repositories(reference: Reference, purpose: Purpose, options: { insecure?: boolean | undefined } = {}): Repository[] {
    return this.endpoints.of(reference, purpose, options).map((endpoint) => this.repository(endpoint))
  }

  repository(endpoint: Endpoint): Repository {
    return new Repository(this.connection(endpoint), endpoint.path)
  }

  /** The one connection to an endpoint. */
  connection(endpoint: Endpoint): Connection {
    const { host, registry, path, scheme, plainHttp, skipVerify } = endpoint
    // Credentials may be for a part of a registry.
    const key = [scheme ?? (plainHttp ? 'any' : 'https'), host, path].join(' ')
    const known = this.#connections.get(key)
    if (known) return known
    if (skipVerify) this.#unverified.add(host)
    const retry = this.#options.retry ?? DEFAULT_RETRY
    const { transport } = this
    const credential = () =>
      this.#options.credential?.(registry, path) ?? findCredential(this.#options, registry, path || undefined)
    const authorizer = new Authorizer({ transport, registry, plainHttp, credential, retry })
    const made = new Connection({ endpoint, transport, authorizer, retry })
    this.#connections.set(key, made)
    return made
  }

  close(): void {
    this.transport.close()
  }
}
