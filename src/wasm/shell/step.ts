/** A step whose command is for a shell. */
export interface ShellStep {
  /** Letters of `set`: `e`, `u`, `x` … */
  options: string
  script: string
  /** `$0`. */
  name: string
  args: string[]
}

const SHELLS = /^(?:(?:\/usr)?\/bin\/)?(?:sh|ash|dash)$/

/**
 * Reads a step's arguments as a call of a POSIX shell: `/bin/sh -ec SCRIPT`.
 *
 * @returns undefined for any other program, and for options that this shell does not have
 */
export function shellStep(args: readonly string[]): ShellStep | undefined {
  const [shell, ...rest] = args
  if (shell === undefined || !SHELLS.test(shell)) return undefined
  let letters = ''
  let at = 0
  for (; at < rest.length && /^-[a-zA-Z]+$/.test(rest[at]!); at++) letters += rest[at]!.slice(1)
  if (rest[at] === '--') at++
  if (!letters.includes('c') || !/^[cefuxvCa]+$/.test(letters)) return undefined
  const [script, name = shell, ...own] = rest.slice(at)
  if (script === undefined) return undefined
  return { options: letters.replaceAll('c', ''), script, name, args: own }
}
