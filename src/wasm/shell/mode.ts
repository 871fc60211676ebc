/** What a symbolic mode is applied to. */
export interface ModeBase {
  /** 0–0o7777. */
  mode: number
  directory: boolean
  umask: number
}

const WHO: Readonly<Record<string, number>> = { u: 0o4700, g: 0o2070, o: 0o1007, a: 0o7777 }

/**
 * A mode in octal or symbols: `755`, `u+rwX,go=`.
 *
 * @returns the permission bits; undefined for what is no mode
 * @see POSIX.1-2017, XCU chmod
 */
export function parseMode(text: string, base: ModeBase): number | undefined {
  if (/^[0-7]{1,5}$/.test(text)) {
    const mode = Number.parseInt(text, 8)
    if (mode > 0o7777) return undefined
    // GNU keeps a directory's set-id bits where a short number does not speak of them.
    return base.directory && text.length < 5 ? mode | (base.mode & 0o6000) : mode
  }
  let mode = base.mode
  for (const clause of text.split(',')) {
    const match = /^([ugoa]*)((?:[-+=](?:[rwxXst]*|[ugo]))+)$/.exec(clause)
    if (!match) return undefined
    const [, who, actions] = match
    const mask = [...(who || 'a')].reduce((bits, c) => bits | WHO[c]!, 0)
    const allowed = who ? mask : mask & ~base.umask
    for (const [, operator, what] of actions!.matchAll(/([-+=])([rwxXst]*(?![ugo])|[ugo])/g))
      mode = apply(mode, operator!, bitsOf(what!, mode, base) & allowed, mask, base)
  }
  return mode
}

function apply(mode: number, operator: string, bits: number, mask: number, { directory }: ModeBase): number {
  if (operator === '+') return mode | bits
  if (operator === '-') return mode & ~bits
  const kept = directory ? mode & 0o6000 & ~bits : 0
  return (mode & ~mask) | bits | kept
}

function bitsOf(what: string, mode: number, { directory }: ModeBase): number {
  if (/^[ugo]$/.test(what)) {
    const bits = (mode >> (what === 'u' ? 6 : what === 'g' ? 3 : 0)) & 7
    return bits | (bits << 3) | (bits << 6)
  }
  let bits = 0
  for (const c of what) {
    if (c === 'r') bits |= 0o444
    else if (c === 'w') bits |= 0o222
    else if (c === 'x') bits |= 0o111
    else if (c === 'X') bits |= directory || mode & 0o111 ? 0o111 : 0
    else if (c === 's') bits |= 0o6000
    else if (c === 't') bits |= 0o1000
  }
  return bits
}
