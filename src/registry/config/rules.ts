/** What configuration says of registries, whatever file it came from. */

/** Another place that has the same repositories. */
export interface MirrorRule {
  /** `host[:port][/path]`: takes the place of the rule's prefix. */
  location: string
  /** Given as `http://…` or `https://…`. */
  scheme?: 'http' | 'https' | undefined
  /** Plain HTTP, and certificates that nobody vouches for. */
  insecure: boolean
  /** Which pulls may go there. */
  pulls: 'all' | 'digest' | 'tag'
}

/** What one file says of a registry, or of a part of it. */
export interface RegistryRule {
  /** `host[:port][/path]`, or `*.domain`. */
  prefix: string
  /** Takes the place of the prefix. */
  location?: string | undefined
  scheme?: 'http' | 'https' | undefined
  insecure?: boolean | undefined
  blocked?: boolean | undefined
  /** Tried before the registry itself, in this order. */
  mirrors: readonly MirrorRule[]
  /** PEM files: authorities that are trusted beside the system's, and a certificate for the registry to know us by. */
  ca?: string | undefined
  cert?: string | undefined
  key?: string | undefined
}

/** What one file says. */
export interface RegistryRules {
  /** Of the file, for messages. */
  file: string
  rules: readonly RegistryRule[]
  /** Short names → what they stand for. */
  aliases: Readonly<Record<string, string>>
  /** `host[:port]` or `address/bits`: plain HTTP is allowed there. */
  insecureNets: readonly string[]
}

/** The rule with the longest prefix that covers `host/path`. */
export function ruleFor(rules: readonly RegistryRule[], repository: string): RegistryRule | undefined {
  let best: RegistryRule | undefined
  for (const rule of rules)
    if (matchedPrefix(rule.prefix, repository) !== undefined && rule.prefix.length > (best?.prefix.length ?? -1))
      best = rule
  return best
}

/**
 * The part of `repository` (`host[:port]/path`) that a prefix covers; undefined where it is of another registry. A prefix
 * ends at a slash, or at the end.
 *
 * @see containers-registries.conf(5), "prefix"
 */
export function matchedPrefix(prefix: string, repository: string): string | undefined {
  if (prefix.startsWith('*.')) {
    const [host, domain] = [repository.split('/')[0]!, prefix.slice(1).split('/')]
    if (!host.replace(/:\d+$/, '').endsWith(domain[0]!) && !host.endsWith(domain[0]!)) return undefined
    const covered = [host, ...domain.slice(1)].join('/')
    return isBelow(covered, repository) ? covered : undefined
  }
  return isBelow(prefix, repository) ? prefix : undefined
}

function isBelow(prefix: string, repository: string): boolean {
  return repository === prefix || repository.startsWith(`${prefix}/`)
}
