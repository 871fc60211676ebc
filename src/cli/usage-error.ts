import { TsboxError } from '../base/error.js'

/** A command line that can't be carried out as written. Docker's exit codes: 125 for options, 1 for arguments. */
export class UsageError extends TsboxError {
  /** Whether the usage line helps. */
  readonly showsUsage: boolean

  constructor(message: string, options: { exitCode?: number; hint?: string | undefined; usage?: boolean } = {}) {
    super('E_USAGE', message, { exitCode: options.exitCode ?? 125, hint: options.hint })
    this.showsUsage = options.usage ?? true
  }
}
