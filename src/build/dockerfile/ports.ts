import { fault } from './fault.js'
import { cut, quote } from './go-text.js'

const PROTOCOLS = ['tcp', 'udp', 'sctp']
const HINT = 'write a port, a range and perhaps a protocol: 80, 8000-8010, 53/udp'

/** One word of EXPOSE. */
export interface PortSpec {
  /** `port/protocol`, a range spread out, the protocol in lower case. */
  ports: string[]
  /** The protocol has capitals. */
  miscased: boolean
  /** An address or a port of the host is given, which means nothing here. */
  mapped: boolean
}

/** The ports of words of EXPOSE, already expanded, as an image's config names them. */
export function parsePorts(words: readonly string[]): string[] {
  return words.flatMap((w) => parsePort(w).ports)
}

/**
 * Reads `[[ip:]hostPort:]port[-port][/protocol]`.
 *
 * @throws TsboxError E_DOCKERFILE
 */
export function parsePort(word: string): PortSpec {
  const parts = word.split(':')
  const container = parts.at(-1)!
  const host = parts.length > 1 ? parts.at(-2)! : ''
  const ip = parts.slice(0, -2).join(':')
  const [range, rawProtocol] = cut(container, '/')
  const protocol = rawProtocol || 'tcp'
  if (range === '') throw fault(`invalid port: ${quote(word)}: no port specified`, HINT)
  if (!PROTOCOLS.includes(protocol.toLowerCase()))
    throw fault(`invalid port: ${quote(word)}: invalid proto: ${protocol}`, `protocols are ${PROTOCOLS.join(', ')}`)
  checkAddress(ip)
  const [first, last] = parseRange(range) ?? bad(`invalid containerPort: ${range}`)
  if (host !== '') {
    const [from, to] = parseRange(host) ?? bad(`invalid hostPort: ${host}`)
    if (last - first !== to - from && last !== first)
      throw fault(`invalid ranges specified for container and host Ports: ${range} and ${host}`, HINT)
  }
  const ports = Array.from({ length: last - first + 1 }, (_, i) => `${first + i}/${protocol.toLowerCase()}`)
  return { ports, miscased: protocol !== protocol.toLowerCase(), mapped: ip !== '' || host !== '' }
}

function bad(message: string): never {
  throw fault(message, HINT)
}

function parseRange(text: string): [first: number, last: number] | undefined {
  const [start, end, found] = cut(text, '-')
  const first = parseNumber(start)
  const last = found ? parseNumber(end) : first
  return first === undefined || last === undefined || last < first ? undefined : [first, last]
}

function parseNumber(text: string): number | undefined {
  const port = /^\+?\d+$/.test(text) ? Number(text) : Number.NaN
  return port <= 65535 ? port : undefined
}

function checkAddress(ip: string): void {
  if (ip === '') return
  const bare = /^\[(.*)\]$/.exec(ip)?.[1] ?? ip
  if (!isAddress(bare)) throw fault(`invalid IP address: ${ip}`, HINT)
}

function isAddress(text: string): boolean {
  if (/^\d+(\.\d+){3}$/.test(text)) return text.split('.').every((n) => Number(n) < 256 && !/^0\d/.test(n))
  const [head, tail, elided] = cut(text, '::')
  const groups = (part: string) => (part === '' ? [] : part.split(':'))
  const all = [...groups(head), ...groups(tail)]
  return (
    text.includes(':') &&
    all.every((g) => /^[0-9a-fA-F]{1,4}$/.test(g)) &&
    (elided ? all.length < 8 && !tail.includes('::') : all.length === 8)
  )
}
