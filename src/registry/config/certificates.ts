import { join } from 'node:path'
import { TsboxError } from '../../base/error.js'
import { type ConfigPlaces, configHome, namesIn, readText } from './load.js'

/** PEM texts for a connection to one host. */
export interface HostCertificates {
  /** Authorities beside the system's. */
  ca: string[]
  /** What a host knows us by. */
  cert?: string | undefined
  key?: string | undefined
}

/**
 * Certificates for `host[:port]`: docker's and containers' `certs.d` folders (`*.crt` are authorities, `NAME.cert` with
 * `NAME.key` a certificate of ours), then the files that a rule names.
 *
 * @throws TsboxError E_REGISTRY_CONFIG for a certificate without its key, or a file that can't be read
 */
export function certificatesFor(
  host: string,
  places: ConfigPlaces,
  named: { ca?: string | undefined; cert?: string | undefined; key?: string | undefined },
): HostCertificates {
  const out: HostCertificates = { ca: [] }
  for (const dir of folders(host, places)) {
    for (const name of namesIn(dir, '.crt')) out.ca.push(mustRead(join(dir, name)))
    const pair = namesIn(dir, '.cert')[0]
    if (pair === undefined || out.cert !== undefined) continue
    out.cert = mustRead(join(dir, pair))
    out.key = mustRead(join(dir, pair.replace(/\.cert$/, '.key')))
  }
  if (named.ca !== undefined) out.ca.push(mustRead(named.ca))
  if (named.cert === undefined) return out
  if (named.key === undefined)
    throw new TsboxError(
      'E_REGISTRY_CONFIG',
      `read registry configuration: no key for the certificate: "${named.cert}"`,
    )
  return { ...out, cert: mustRead(named.cert), key: mustRead(named.key) }
}

function folders(host: string, places: ConfigPlaces): string[] {
  // A name from a reference: it has no slash, and one that begins with a dot is no host.
  if (host.startsWith('.') || host.includes('/')) return []
  const home = configHome(places)
  const roots = [
    ...(home ? [join(home, 'containers'), join(home, 'docker')] : []),
    join(places.etc ?? '/etc', 'containers'),
    join(places.etc ?? '/etc', 'docker'),
  ]
  return roots.map((root) => join(root, 'certs.d', host))
}

function mustRead(file: string): string {
  const text = readText(file)
  if (text !== undefined) return text
  throw new TsboxError('E_REGISTRY_CONFIG', `read registry configuration: no such file: "${file}"`, {
    hint: file.endsWith('.key') ? 'a certificate needs its key beside it, as NAME.key' : undefined,
  })
}
