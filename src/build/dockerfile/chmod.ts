import { fault } from './fault.js'

/** Gives the new permission bits of a file: `mode` is what it has. */
export type ModeChange = (mode: number, isDir: boolean) => number

const WHO: Record<string, number> = { u: 0o4700, g: 0o2070, o: 0o0007, a: 0o6777 }
const SPREAD: Record<string, number> = { r: 0o444, w: 0o222, x: 0o111, s: 0o6000, t: 0o1000 }

/**
 * Reads a value of `--chmod`: octal (`0755`) or symbolic (`u=rwX,go=rX`, `a+x`, `g=u`). Without a "who" a symbolic
 * change is for all; there is no umask.
 *
 * @throws TsboxError E_DOCKERFILE
 * @see chmod(1)
 */
export function parseChmod(spec: string): ModeChange {
  if (/^[0-7]+$/.test(spec)) {
    const mode = Number.parseInt(spec, 8)
    if (mode > 0o7777) throw invalid(spec)
    return () => mode
  }
  const clauses = spec.split(',').map((clause) => parseClause(clause) ?? undefined)
  if (!clauses.every((c) => c !== undefined)) throw invalid(spec)
  return (mode, isDir) => clauses.reduce((m, change) => change(m, isDir), mode)
}

function invalid(spec: string): Error {
  return fault(
    `invalid chmod parameter: '${spec}'. it should be octal string and between 0 and 07777`,
    'write for example --chmod=0755 or --chmod=u=rwX,go=rX',
  )
}

function parseClause(clause: string): ModeChange | undefined {
  const match = /^([ugoa]*)((?:[-+=](?:[ugo]|[rwxXst]*))+)$/.exec(clause)
  if (!match) return undefined
  const named = [...match[1]!].reduce((bits, w) => bits | WHO[w]!, 0)
  const actions = match[2]!.match(/[-+=][^-+=]*/g)!.map((a) => parseAction(a, named))
  return (mode, isDir) => actions.reduce((m, action) => action(m, isDir), mode)
}

function parseAction(action: string, named: number): ModeChange {
  const operator = action[0]!
  const letters = [...action.slice(1)]
  const who = named || WHO.a!
  return (mode, isDir) => {
    let bits = 0
    for (const letter of letters) bits |= bitsOf(letter, mode, isDir)
    // The sticky bit belongs to everybody: `o+t` means nothing.
    const reach = named === WHO.o ? who : who | 0o1000
    bits &= reach
    if (operator === '+') return mode | bits
    if (operator === '-') return mode & ~bits
    return (mode & ~who) | bits
  }
}

function bitsOf(letter: string, mode: number, isDir: boolean): number {
  if (letter === 'X') return isDir || mode & 0o111 ? 0o111 : 0
  const shift = { u: 6, g: 3, o: 0 }[letter]
  return shift === undefined ? SPREAD[letter]! : ((mode >> shift) & 7) * 0o111
}
