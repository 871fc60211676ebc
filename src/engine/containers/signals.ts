import { constants } from 'node:os'
import { TsboxError } from '../../base/error.js'

/** Number of a signal named as docker takes them: `SIGTERM`, `term`, `15`, `RTMIN+3`. @throws TsboxError E_SIGNAL */
export function signalNumber(name: string): number {
  if (/^\d+$/.test(name)) {
    const number = Number(name)
    if (number >= 1 && number <= 64) return number
  }
  const plain = name.toUpperCase().replace(/^SIG/, '')
  const known = (constants.signals as Record<string, number>)[`SIG${plain}`]
  if (known) return known
  const realtime = /^RT(MIN|MAX)(?:([+-])(\d+))?$/.exec(plain)
  if (realtime) {
    const offset = Number(realtime[3] ?? 0) * (realtime[2] === '-' ? -1 : 1)
    // What C libraries leave to programs, as docker counts them.
    const number = (realtime[1] === 'MIN' ? 34 : 64) + offset
    if (number >= 34 && number <= 64) return number
  }
  throw new TsboxError('E_SIGNAL', `Invalid signal: ${name}`)
}
