import { BlockList, isIP } from 'node:net'

/** `host[:port]` without the port and the brackets of an IPv6 address. */
export function hostName(host: string): string {
  return host.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1')
}

/** Whether a host is this machine by its name alone. */
export function isLoopback(host: string): boolean {
  const name = hostName(host).toLowerCase()
  return (
    name === 'localhost' ||
    name.endsWith('.localhost') ||
    name === '::1' ||
    (isIP(name) === 4 && name.startsWith('127.'))
  )
}

/**
 * Whether `host[:port]` is what a list of insecure registries names: the same host (with any port where none is given), or
 * an address in a network as `10.0.0.0/8`.
 */
export function inNetwork(host: string, entry: string): boolean {
  if (host === entry || (hostName(host) === hostName(entry) && hostName(entry) === entry.replace(/^\[(.*)\]$/, '$1')))
    return true
  const [, address, bits] = /^([\da-f.:]+)\/(\d{1,3})$/i.exec(entry) ?? []
  const kind = isIP(hostName(host))
  if (address === undefined || kind === 0 || isIP(address) !== kind || Number(bits) > (kind === 4 ? 32 : 128))
    return false
  const family = kind === 4 ? 'ipv4' : 'ipv6'
  const list = new BlockList()
  list.addSubnet(address, Number(bits), family)
  return list.check(hostName(host), family)
}
