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
}): { hosts: string; resolvConf?: string } {
  const own = options.network === 'none'
  const hosts = own ? '127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n' : readIfThere('/etc/hosts')
  const extra = options.extraHosts.map((h) => `${h.address}\t${h.name}\n`).join('')
  const loopback = hosts.includes('localhost') ? '' : '127.0.0.1\tlocalhost\n'
  const base = hosts === '' || hosts.endsWith('\n') ? hosts : `${hosts}\n`
  return {
    hosts: `${loopback}${base}127.0.1.1\t${options.hostname}\n${extra}`,
    ...(own ? {} : { resolvConf: readIfThere('/etc/resolv.conf') || readIfThere(RESOLVED) }),
  }
}

function readIfThere(path: string): string {
  return existsSync(path) ? readFileSync(path, 'utf8') : ''
}
