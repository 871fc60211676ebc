import { TsboxError } from '../../base/error.js'

/** A fault in a `--format` template; the message is worded as docker words it, the exit code is docker's. */
export class TemplateError extends TsboxError {
  /**
   * @param text the whole template
   * @param at where the fault is in it
   * @param running the node being evaluated, as written; undefined for a fault of the grammar
   */
  constructor(text: string, at: number, message: string, running?: string) {
    const before = text.slice(0, at)
    const line = before.split('\n').length
    const column = at - (before.lastIndexOf('\n') + 1)
    const where = running === undefined ? `:${line}` : `:${line}:${column}: executing "" at <${running}>`
    super('E_TEMPLATE', `template parsing error: template: ${where}: ${message}`, {
      exitCode: running === undefined ? 64 : 1,
    })
  }
}
