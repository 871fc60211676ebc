import { constants } from 'node:os'
import { TsboxError } from '../base/error.js'

const NAMES = new Map(Object.entries(constants.errno).map(([name, number]) => [number, name]))

/** `ENOENT` for 2; `errno 999` for a number that this platform has no name for. */
export function errnoName(errno: number): string {
  return NAMES.get(errno) ?? `errno ${errno}`
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
      exitCode: 125,
    })
    this.name = 'HelperError'
    this.stage = stage
    this.errno = errno
    this.detail = detail
  }
}
