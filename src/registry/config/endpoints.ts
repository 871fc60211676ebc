import { TsboxError } from '../../base/error.js'
import type { Reference } from '../../oci/reference.js'
import { inNetwork, isLoopback } from './network.js'
import { type MirrorRule, matchedPrefix, type RegistryRule, type RegistryRules, ruleFor } from './rules.js'

/** Docker Hub answers under another name than images have. */
const DOCKER_HUB = { name: 'docker.io', api: 'registry-1.docker.io' }

/** A place that serves a repository: the registry that its name says, or a mirror. */
export interface Endpoint {
  /** `host[:port]`, as it is connected to. */
  readonly host: string
  /** As users and credentials name it: `docker.io`, `localhost:5000`. */
  readonly registry: string
  /** The repository there. */
  readonly path: string
  /** Undefined: HTTPS, and where `plainHttp` allows it HTTP for a host that does not speak TLS. */
  readonly scheme?: 'http' | 'https' | undefined
  readonly plainHttp: boolean
  /** Whether a certificate that nobody vouches for is accepted. */
  readonly skipVerify: boolean
  readonly isMirror: boolean
}

/** What a reference is resolved for. */
export type Purpose = 'pull' | 'push'

/** Where repositories are, by all configuration files together. */
export class Endpoints {
  readonly #all: readonly RegistryRules[]

  /** @param all the file that counts most first */
  constructor(all: readonly RegistryRules[]) {
    this.#all = all
  }

  /**
   * The places to ask, in order: mirrors (for pulls), then the registry.
   *
   * @param options.insecure allows plain HTTP and unknown certificates for the registry itself
   * @throws TsboxError E_REGISTRY_BLOCKED
   */
  of(reference: Reference, purpose: Purpose, options: { insecure?: boolean | undefined } = {}): Endpoint[] {
    const { repository } = reference
    const rules = this.#all.flatMap((r) => ruleFor(r.rules, repository) ?? [])
    if (rules.some((r) => r.blocked)) throw blocked(repository, this.#fileThatBlocks(repository))
    const mirrors = purpose === 'push' ? [] : this.#mirrors(rules, reference)
    return [...mirrors, this.#origin(rules, reference, options)]
  }

  /** What a short name stands for; undefined where nobody says. @param name as the user wrote it, without tag or digest */
  alias(name: string): string | undefined {
    for (const { aliases } of this.#all) if (Object.hasOwn(aliases, name)) return aliases[name]
    return undefined
  }

  /** The certificate files that configuration names for a host. */
  certificates(host: string): Pick<RegistryRule, 'ca' | 'cert' | 'key'> {
    const rule = this.#all.flatMap(({ rules }) => rules).find((r) => apiHost(r.prefix.split('/')[0]!) === host)
    return { ca: rule?.ca, cert: rule?.cert, key: rule?.key }
  }

  #origin(rules: readonly RegistryRule[], reference: Reference, options: { insecure?: boolean | undefined }): Endpoint {
    const moved = rules.find((r) => r.location !== undefined)
    const full = moved ? replaced(reference.repository, moved.prefix, moved.location!) : reference.repository
    const insecure = options.insecure ?? rules.find((r) => r.insecure !== undefined)?.insecure
    const place = split(full)
    return this.#endpoint(place, rules.find((r) => r.scheme)?.scheme, insecure, false)
  }

  #mirrors(rules: readonly RegistryRule[], reference: Reference): Endpoint[] {
    const rule = rules.find((r) => r.mirrors.length > 0)
    if (!rule) return []
    const fits = (m: MirrorRule) => m.pulls === 'all' || (m.pulls === 'digest') === (reference.digest !== undefined)
    return rule.mirrors
      .filter(fits)
      .map((m) =>
        this.#endpoint(split(replaced(reference.repository, rule.prefix, m.location)), m.scheme, m.insecure, true),
      )
  }

  #endpoint(
    { host: name, path }: { host: string; path: string },
    scheme: 'http' | 'https' | undefined,
    insecure: boolean | undefined,
    isMirror: boolean,
  ): Endpoint {
    const host = apiHost(name)
    const listed = insecure ?? this.#all.some(({ insecureNets }) => insecureNets.some((n) => inNetwork(name, n)))
    const plainHttp = scheme === 'http' || (scheme !== 'https' && (listed || isLoopback(name)))
    return { host, registry: name, path, scheme, plainHttp, skipVerify: listed, isMirror }
  }

  #fileThatBlocks(repository: string): string {
    return this.#all.find(({ rules }) => ruleFor(rules, repository)?.blocked)?.file ?? ''
  }
}

/** The host that answers for a registry. */
export function apiHost(registry: string): string {
  return registry === DOCKER_HUB.name || registry === 'index.docker.io' ? DOCKER_HUB.api : registry
}

function replaced(repository: string, prefix: string, location: string): string {
  return location + repository.slice(matchedPrefix(prefix, repository)!.length)
}

function split(full: string): { host: string; path: string } {
  const slash = full.indexOf('/')
  return { host: full.slice(0, slash), path: full.slice(slash + 1) }
}

function blocked(repository: string, file: string): TsboxError {
  return new TsboxError('E_REGISTRY_BLOCKED', `open registry: it is blocked by configuration: "${repository}"`, {
    hint: `"blocked" is set in ${file}`,
  })
}
