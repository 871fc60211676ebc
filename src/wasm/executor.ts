import { TsboxError } from '../base/error.js'
import type { Entry, EntrySink } from '../layer/entry.js'
import { refuseComponent, wasmKind } from './module.js'
import { findProgram } from './program.js'
import type { LowerDir } from './vfs/lower.js'
import { Tree } from './vfs/tree.js'

/** The part of a build step that this backend reads; the builder's own type has it all. */
export interface WasiStep {
  args: readonly string[]
  env: readonly string[]
  cwd: string
  user: string
  mounts: readonly { type: string; target: string }[]
  /** Seconds: fixes the clock and the random numbers, else they are the machine's. */
  epoch?: number | undefined
}

/** A merged view of the step's root. */
export interface StepTree {
  lstat(path: string): Entry | undefined
  readdir(path: string): readonly string[]
  /** Content of a file, in pieces. */
  stream(path: string): AsyncIterable<Uint8Array>
}

/** A new layer; {@link WasiExecutor.run} commits or aborts it. */
export interface LayerSink<Layer> extends EntrySink {
  commit(): Promise<Layer>
  abort(): void
}

/** Receives what a running command says and, once it ended with 0, what it changed. */
export interface CommandSink extends EntrySink {
  stdout(chunk: Uint8Array): void
  stderr(chunk: Uint8Array): void
}

/** What the executor is given. */
export interface WasiExecutorOptions<Step, Layer> {
  writer(): LayerSink<Layer>
  /**
   * Runs a step's command somewhere that can be ended from outside, and resolves with its exit code when the sink has
   * everything; rejects with the signal's reason when aborted.
   */
  runCommand(step: Step, sink: CommandSink, signal: AbortSignal): Promise<number>
}

/** The version of what a program can see of this host: a change of it makes old results stale. */
const HOST_VERSION = 1

/** Runs steps whose program is a WASI module, without namespaces, processes or privileges. */
export class WasiExecutor<Step extends WasiStep, Layer> {
  readonly id = 'wasi'
  /**
   * The module's digest is not in it, because the root's layers are in the key already; nor is the time, which as for
   * any step is that of its first execution.
   */
  readonly keySalt: string = `wasi/${HOST_VERSION}`
  readonly #options: WasiExecutorOptions<Step, Layer>

  constructor(options: WasiExecutorOptions<Step, Layer>) {
    this.#options = options
  }

  /**
   * True when the step's program resolves, in the root, to a WebAssembly module.
   *
   * @throws TsboxError E_WASM_COMPONENT for a component: no executor runs one
   */
  async accepts(step: Step, root: StepTree): Promise<boolean> {
    const name = step.args[0] ?? ''
    const tree = new Tree({ lower: metadataOnly(root), now: () => 0n, maxBytes: 0 })
    const path = findProgram(tree, { ...step, name })?.origin?.path
    if (path === undefined) return false
    const kind = wasmKind(await headOf(root, path))
    refuseComponent(kind, name)
    return kind === 'module'
  }

  /** Runs it; the layer exists only where the exit code is 0. */
  async run(
    step: Step,
    output: { stdout(chunk: Uint8Array): void; stderr(chunk: Uint8Array): void },
    signal: AbortSignal,
  ): Promise<{ exitCode: number; layer?: Layer }> {
    for (const mount of step.mounts) refuseMount(mount)
    const writer = this.#options.writer()
    try {
      const sink: CommandSink = {
        stdout: (chunk) => output.stdout(chunk),
        stderr: (chunk) => output.stderr(chunk),
        entry: (entry) => writer.entry(entry),
        data: (chunk) => writer.data(chunk),
      }
      const exitCode = await this.#options.runCommand(step, sink, signal)
      return exitCode === 0 ? { exitCode, layer: await writer.commit() } : { exitCode }
    } finally {
      writer.abort()
    }
  }
}

/** A tree to look up paths in, without contents. */
export function metadataOnly(root: StepTree): LowerDir {
  return {
    lstat: (path) => root.lstat(path),
    readdir: (path) => root.readdir(path),
    pread: () => new Uint8Array(0),
  }
}

/** First eight bytes of a file. */
export async function headOf(root: StepTree, path: string): Promise<Uint8Array> {
  const head = new Uint8Array(8)
  let have = 0
  for await (const chunk of root.stream(path)) {
    const part = chunk.subarray(0, head.length - have)
    head.set(part, have)
    have += part.length
    if (have === head.length) break
  }
  return head.subarray(0, have)
}

const MOUNTS = new Set(['bind', 'secret', 'tmpfs'])

function refuseMount({ type, target }: { type: string; target: string }): void {
  if (MOUNTS.has(type)) return
  throw new TsboxError('E_WASI_MOUNT', `run a WebAssembly program: not supported there: mount of type "${type}"`, {
    hint: `run the step without the mount at "${target}", or as a native program`,
  })
}
