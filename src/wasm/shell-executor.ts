import { TsboxError } from '../base/error.js'
import {
  headOf,
  metadataOnly,
  type StepTree,
  WasiExecutor,
  type WasiExecutorOptions,
  type WasiStep,
} from './executor.js'
import { wasmKind } from './module.js'
import { findProgram } from './program.js'
import { fromName, toName } from './shell/bytes.js'
import { checkScript, type NamedProgram } from './shell/check.js'
import { SHELL_SALT } from './shell/salt.js'
import { type ShellStep, shellStep } from './shell/step.js'
import { ShellSyntaxError } from './shell/syntax/error.js'
import { parseScript } from './shell/syntax/parser.js'
import { Tree } from './vfs/tree.js'

/** Runs shell commands in the shell of this backend, where nothing else can. */
export class ShellExecutor<Step extends WasiStep, Layer> extends WasiExecutor<Step, Layer> {
  override readonly keySalt: string = SHELL_SALT
  readonly #why: () => Pick<TsboxError, 'message' | 'hint'> | undefined

  /** @param why what keeps the step from namespaces, for messages; undefined where nobody asked for them */
  constructor(
    options: WasiExecutorOptions<Step, Layer>,
    why: () => Pick<TsboxError, 'message' | 'hint'> | undefined = () => undefined,
  ) {
    super(options)
    this.#why = why
  }

  /**
   * True for a script whose every command is here or in the image.
   *
   * @throws TsboxError E_SHELL_UNSUPPORTED naming what is not, with line and column of the script
   */
  override async accepts(step: Step, root: StepTree): Promise<boolean> {
    const shell = shellStep(step.args)
    if (!shell)
      throw this.#refused(`"${step.args[0] ?? ''}" is neither a WebAssembly module nor a call of /bin/sh`, undefined)
    const missing = await this.#missing(shell, step, root)
    if (!missing) return true
    throw this.#refused(
      `line ${missing.at.line}, column ${missing.at.column}: "${toName(missing.name)}" is not there: neither the shell nor the image has it as something that runs here`,
      'copy a WebAssembly build of it into the image, or write the step with what docs/wasi.md lists',
    )
  }

  async #missing(shell: ShellStep, step: Step, root: StepTree): Promise<NamedProgram | undefined> {
    const tree = new Tree({ lower: metadataOnly(root), now: () => 0n, maxBytes: 0 })
    for (const program of this.#programs(shell)) {
      const path = findProgram(tree, { ...step, name: toName(program.name) })?.origin?.path
      if (path === undefined || !(await runsHere(root, path))) return program
    }
    return undefined
  }

  #programs({ script }: ShellStep): NamedProgram[] {
    try {
      return checkScript(parseScript(fromName(script)))
    } catch (err) {
      if (!(err instanceof ShellSyntaxError)) throw err
      throw this.#refused(`line ${err.at.line}, column ${err.at.column}: ${toName(err.message)}`, err.hint)
    }
  }

  #refused(reason: string, hint: string | undefined): TsboxError {
    const why = this.#why()
    const message =
      why === undefined
        ? reason
        : `there are no namespaces to run it in (${why.message}), and the WebAssembly backend can't: ${reason}`
    const hints = [hint, why?.hint && `for namespaces, ${why.hint}`].filter((h) => h !== undefined)
    return new TsboxError('E_SHELL_UNSUPPORTED', `run step: ${message}`, { hint: hints.join('\n') || undefined })
  }
}

/** A WebAssembly module, or a script. */
async function runsHere(root: StepTree, path: string): Promise<boolean> {
  const head = await headOf(root, path)
  return wasmKind(head) === 'module' || (head[0] === 0x23 && head[1] === 0x21)
}
