const UNITS: Readonly<Record<string, number>> = { bytes: 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 }

/** `Receiving objects:  45% (9/20), 1.20 MiB | 2.30 MiB/s`; few objects are unpacked as they come. */
const RECEIVED = /(?:Receiving|Unpacking) objects: +\d+% \(\d+\/\d+\), ([\d.]+) (bytes|KiB|MiB|GiB)/

/** A line that tells how far something is, git's own or the server's. @see git, progress.c */
const PROGRESS = /^(?:remote: )?(?:[A-Z][a-z]+ [a-z ]+: +\d+(?:% \(\d+\/\d+\))?(?:,.*)?|Total \d+ \(delta .*)\s*$/

/**
 * Reads what git says while it works, and tells how many bytes more have come each time. git speaks of one pack after the
 * other (submodules), each from its beginning.
 *
 * @param tell gets a number above 0
 * @returns takes what git writes to stderr, in any pieces
 */
export function receivedBytes(tell: (bytes: number) => void): (text: string) => void {
  let rest = ''
  let before = 0
  return (text) => {
    const lines = (rest + text).split(/[\r\n]/)
    // A line of a server may be without end.
    rest = lines.pop()!.slice(-200)
    for (const line of lines) {
      const [, amount, unit] = RECEIVED.exec(line) ?? []
      if (amount === undefined) continue
      const bytes = Math.round(Number(amount) * UNITS[unit!]!)
      const more = bytes >= before ? bytes - before : bytes
      before = bytes
      if (more > 0) tell(more)
    }
  }
}

/** What git said beside how far it was. */
export function withoutProgress(said: string): string {
  return said
    .split(/[\r\n]+/)
    .filter((line) => !PROGRESS.test(line))
    .join('\n')
    .trim()
}
