import { constants } from 'node:os'
import { TsboxError } from '../base/error.js'

const NAMES = new Map(Object.entries(constants.errno).map(([name, number]) => [number, name]))

/** `ENOENT` for 2, '' for 0; `errno 999` for a number that this platform has no name for. */
export function errnoName(errno: number): string {
  return errno === 0 ? '' : (NAMES.get(errno) ?? `errno ${errno}`)
}

/** A failure inside the helper: what it was doing (`stage`), on what (`detail`), and the kernel's answer. */
export class HelperError extends TsboxError {
  readonly stage: string
  /** `ENOENT`, …; '' when the helper vanished. */
  readonly errno: string
  readonly detail: string

  constructor(stage: string, errno: string, detail: string, options: { hint?: string | undefined } = {}) {
    const what = detail ? `${stage} "${detail}"` : stage
    super('E_HELPER', `${what}: ${errno || 'the helper process ended unexpectedly'}`, {
      hint: options.hint,
      exitCode: exitCodeOf(stage, errno),
    })
    this.name = 'HelperError'
    this.stage = stage
    this.errno = errno
    this.detail = detail
  }

  /** True where the helper, or a process that it needs to map ids, was killed: nobody refused anything. */
  get wasKilled(): boolean {
    return this.errno === '' || (this.stage === 'newidmap' && this.errno === 'EPIPE')
  }

  /** From the number of an errno. */
  static of(
    stage: string,
    errno: number,
    detail: string,
    hintFor: (stage: string, errno: string, detail: string) => string | undefined,
  ): HelperError {
    const name = errnoName(errno)
    return new HelperError(stage, name, detail, { hint: hintFor(stage, name, detail) })
  }
}

/** Docker's: 127 for a program that is not there, 126 for one that can't be executed, 125 for all else. */
function exitCodeOf(stage: string, errno: string): number {
  if (stage === 'chdir') return 126
  if (stage !== 'exec') return 125
  return errno === 'ENOENT' ? 127 : 126
}
