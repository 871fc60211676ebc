import { TsboxError } from '../base/error.js'
import { type Digest, parseDigest } from './digest.js'

const DEFAULT_DOMAIN = 'docker.io'
const DEFAULT_TAG = 'latest'
const DOMAIN =
  /^(?:(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])(?:\.(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9]))*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?$/
const PATH = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/
const TAG = /^\w[\w.-]{0,127}$/
const MAX_PATH = 255

/** The name of an image, canonical. */
export class Reference {
  /** Registry host, with port where given: `docker.io`. */
  readonly domain: string
  /** `library/alpine`. */
  readonly path: string
  readonly tag: string | undefined
  readonly digest: Digest | undefined

  constructor(parts: { domain: string; path: string; tag?: string | undefined; digest?: Digest | undefined }) {
    this.domain = parts.domain
    this.path = parts.path
    this.tag = parts.tag
    this.digest = parts.digest
  }

  /** Domain and path: what all tags have in common. */
  get repository(): string {
    return `${this.domain}/${this.path}`
  }

  /** The repository as a user of docker knows it: `alpine`. */
  get familiarRepository(): string {
    if (this.domain !== DEFAULT_DOMAIN) return this.repository
    return /^library\/[^/]+$/.test(this.path) ? this.path.slice(8) : this.path
  }

  /** As a user of docker writes it: `alpine:3.20`. */
  get familiar(): string {
    return this.familiarRepository + this.#suffix()
  }

  /** Canonical text: `docker.io/library/alpine:latest`. */
  toString(): string {
    return this.repository + this.#suffix()
  }

  #suffix(): string {
    return (this.tag === undefined ? '' : `:${this.tag}`) + (this.digest === undefined ? '' : `@${this.digest}`)
  }
}

/**
 * Reads a name as docker does: no host means docker.io, one component there means `library/`, neither tag nor digest
 * means `latest`.
 *
 * @throws TsboxError E_REFERENCE_INVALID
 * @see github.com/distribution/reference, grammar
 */
export function parseReference(text: string): Reference {
  const named = parseNamed(text)
  return named.tag === undefined && named.digest === undefined ? new Reference({ ...named, tag: DEFAULT_TAG }) : named
}

/** As {@link parseReference}, without a tag where none is given. */
export function parseNamed(text: string): Reference {
  if (/^[a-f0-9]{64}$/.test(text)) throw invalid(text, 'a name may not be 64 hex digits')
  const [named, digestText] = splitOnce(text, '@')
  const { domain, rest } = splitDomain(named)
  const colon = rest.lastIndexOf(':')
  const path = colon < 0 ? rest : rest.slice(0, colon)
  const tag = colon < 0 ? undefined : rest.slice(colon + 1)
  if (path !== path.toLowerCase()) throw invalid(text, 'the repository must be lower case')
  if (!DOMAIN.test(domain) || !PATH.test(path)) throw invalid(text, 'not a valid name')
  if (path.length > MAX_PATH) throw invalid(text, `the repository is longer than ${MAX_PATH} characters`)
  if (tag !== undefined && !TAG.test(tag)) throw invalid(text, 'not a valid tag')
  return new Reference({
    domain,
    path,
    tag,
    digest: digestText === undefined ? undefined : digestOrThrow(text, digestText),
  })
}

/** True for what may stand for an image id: `sha256:` optional, then hex digits, cut anywhere. */
export function isIdPrefix(text: string): boolean {
  return /^(?:sha256:)?[0-9a-f]{1,64}$/.test(text)
}

function splitDomain(named: string): { domain: string; rest: string } {
  const slash = named.indexOf('/')
  const first = named.slice(0, Math.max(slash, 0))
  const isHost = slash >= 0 && (/[.:]/.test(first) || first === 'localhost' || first !== first.toLowerCase())
  let domain = isHost ? first : DEFAULT_DOMAIN
  let rest = isHost ? named.slice(slash + 1) : named
  if (domain === 'index.docker.io') domain = DEFAULT_DOMAIN
  if (domain === DEFAULT_DOMAIN && !rest.includes('/')) rest = `library/${rest}`
  return { domain, rest }
}

function splitOnce(text: string, mark: string): [string, string | undefined] {
  const i = text.indexOf(mark)
  return i < 0 ? [text, undefined] : [text.slice(0, i), text.slice(i + 1)]
}

function digestOrThrow(text: string, digest: string): Digest {
  try {
    return parseDigest(digest)
  } catch (cause) {
    throw new TsboxError('E_REFERENCE_INVALID', `read image name: not a valid digest: "${text}"`, { cause })
  }
}

function invalid(text: string, state: string): TsboxError {
  return new TsboxError('E_REFERENCE_INVALID', `read image name: ${state}: "${text}"`)
}
