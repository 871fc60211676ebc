import { existsSync, readFileSync } from 'node:fs'

/** Where resolvers are found when /etc/resolv.conf only names a local stub of systemd-resolved. */
const RESOLVED = '/run/systemd/resolve/resolv.conf'

/**
 * Contents of /etc/hosts and /etc/resolv.conf for a container. With the host's network they are the host's own, so that
 * names mean the same inside.
 */
export function hostFiles(options: {
  hostname: string
  network: 'default' | 'host' | 'none'
  extraHosts: readonly { name: string; address: string }[]
  resolver?: Resolver | undefined
}): { hosts: string; resolvConf?: string } {
  const own = options.network === 'none'
  const hosts = own ? '127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n' : readIfThere('/etc/hosts')
  const extra = options.extraHosts.map((h) => `${h.address}\t${h.name}\n`).join('')
  const loopback = hosts.includes('localhost') ? '' : '127.0.0.1\tlocalhost\n'
  const base = hosts === '' || hosts.endsWith('\n') ? hosts : `${hosts}\n`
  return {
    hosts: `${loopback}${base}127.0.1.1\t${options.hostname}\n${extra}`,
    ...(own && !options.resolver ? {} : { resolvConf: resolvConf(options.resolver) }),
  }
}

/** What takes the place of the host's own; `.` as the only search domain is none. @see resolv.conf(5) */
export interface Resolver {
  servers: readonly string[]
  search: readonly string[]
  options: readonly string[]
}

function resolvConf(resolver: Resolver | undefined): string {
  const host = readIfThere('/etc/resolv.conf') || readIfThere(RESOLVED)
  if (!resolver) return host
  const { servers, search, options } = resolver
  const replaced = [
    ...(servers.length ? ['nameserver'] : []),
    ...(search.length ? ['search', 'domain'] : []),
    ...(options.length ? ['options'] : []),
  ]
  const kept = host.split('\n').filter((line) => line !== '' && !replaced.includes(line.trim().split(/\s/)[0]!))
  const domains = search.filter((domain) => domain !== '.')
  const lines = [
    ...kept,
    ...servers.map((address) => `nameserver ${address}`),
    ...(domains.length ? [`search ${domains.join(' ')}`] : []),
    ...(options.length ? [`options ${options.join(' ')}`] : []),
  ]
  return `${lines.join('\n')}\n`
}

function readIfThere(path: string): string {
  return existsSync(path) ? readFileSync(path, 'utf8') : ''
}
