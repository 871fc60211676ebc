/** What a registry wants to know before it answers. */
export type Challenge =
  | { scheme: 'basic'; realm: string }
  | { scheme: 'bearer'; realm: string; service: string | undefined; scope: string | undefined }

/**
 * Reads WWW-Authenticate, of which there may be several in one line: the bearer scheme is preferred.
 *
 * @returns undefined where no scheme is known
 * @see RFC 9110, section 11.6.1
 */
export function parseChallenge(header: string | undefined): Challenge | undefined {
  const all = schemesOf(header ?? '')
  const bearer = all.find((c) => c.scheme === 'bearer' && c.values.has('realm'))
  if (bearer)
    return {
      scheme: 'bearer',
      realm: bearer.values.get('realm')!,
      service: bearer.values.get('service'),
      scope: bearer.values.get('scope'),
    }
  const basic = all.find((c) => c.scheme === 'basic')
  return basic && { scheme: 'basic', realm: basic.values.get('realm') ?? '' }
}

interface Scheme {
  scheme: string
  values: Map<string, string>
}

function schemesOf(header: string): Scheme[] {
  const out: Scheme[] = []
  const part = /\s*,?\s*([\w!#$%&'*+.^`|~-]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+)))?/gy
  for (let m = part.exec(header); m; m = part.exec(header)) {
    const [, name, quoted, token] = m
    const value = quoted?.replace(/\\(.)/g, '$1') ?? token
    if (value === undefined) out.push({ scheme: name!.toLowerCase(), values: new Map() })
    else out.at(-1)?.values.set(name!.toLowerCase(), value)
  }
  return out
}
