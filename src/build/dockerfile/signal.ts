import { fault, faultWithGuess } from './fault.js'

const NAMES = [
  ...['HUP', 'INT', 'QUIT', 'ILL', 'TRAP', 'ABRT', 'BUS', 'FPE', 'KILL', 'USR1', 'SEGV', 'USR2', 'PIPE', 'ALRM'],
  ...['TERM', 'STKFLT', 'CHLD', 'CONT', 'STOP', 'TSTP', 'TTIN', 'TTOU', 'URG', 'XCPU', 'XFSZ', 'VTALRM', 'PROF'],
  ...['WINCH', 'IO', 'PWR', 'SYS'],
]
const ALIASES: Record<string, number> = { CLD: 17, IOT: 6, POLL: 29, UNUSED: 31 }
const RTMIN = 34
const RTMAX = 64

/**
 * Number of a signal given by number or by name, with or without `SIG`, in any case.
 *
 * @throws TsboxError E_DOCKERFILE
 * @see signal(7); moby/sys signal.ParseSignal
 */
export function parseSignal(text: string): number {
  if (/^[+-]?\d+$/.test(text)) {
    const number = Number(text)
    if (number === 0) throw fault(`invalid signal: ${text}`, 'write STOPSIGNAL SIGTERM')
    return number
  }
  const name = text.toUpperCase().replace(/^SIG/, '')
  const at = NAMES.indexOf(name)
  const number = at >= 0 ? at + 1 : (ALIASES[name] ?? realtime(name))
  if (number === undefined)
    throw faultWithGuess(`invalid signal: ${text}`, name, NAMES, { hint: 'write STOPSIGNAL SIGTERM' })
  return number
}

function realtime(name: string): number | undefined {
  const match = /^RT(MIN|MAX)(?:([+-])(\d{1,2}))?$/.exec(name)
  if (!match) return undefined
  const base = match[1] === 'MIN' ? RTMIN : RTMAX
  const sign = match[2]
  if (sign !== undefined && sign !== (match[1] === 'MIN' ? '+' : '-')) return undefined
  const number = base + (sign === '-' ? -1 : 1) * Number(match[3] ?? 0)
  return number >= RTMIN && number <= RTMAX ? number : undefined
}
