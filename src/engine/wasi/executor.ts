import { TsboxError } from '../../base/error.js'
import type { Layer, LayerWriter, StepExecutor, StepMount, StepSpec } from '../../build/seams.js'
import { type CommandSink, WasiExecutor, type WasiExecutorOptions } from '../../wasm/executor.js'
import { SHELL_SALT } from '../../wasm/shell/salt.js'
import { shellStep } from '../../wasm/shell/step.js'
import type { LayerFiles } from './lower.js'
import type { Job, JobMount } from './message.js'

/** What the executors need of the store, and where their thread's program is. */
export interface WasiOptions {
  /** The bundle of worker.ts. */
  workerFile: string
  writer(): LayerWriter
  /** Makes the layers readable as plain tars and says where they are, base first. */
  layerFiles(layers: readonly Layer[]): Promise<LayerFiles[]>
}

const GIB = 2 ** 30
const LIMITS = { memoryBytes: 2 * GIB, fileBytes: 2 * GIB }

/** The executor of steps whose program is a WASI module, each in a thread of this process. */
export function createWasiExecutor(options: WasiOptions): WasiExecutor<StepSpec, Layer> {
  return new WasiExecutor<StepSpec, Layer>(threads(options, false))
}

/**
 * The executor of shell commands, in the shell of this backend. It is loaded when it is asked for the first time: most
 * builds never need it, and a shell with its tools takes milliseconds to load.
 *
 * @param why see ShellExecutor
 */
export function createShellExecutor(options: WasiOptions, why?: () => TsboxError | undefined): StepExecutor {
  let loaded: Promise<StepExecutor> | undefined
  const load = () => {
    loaded ??= import('../../wasm/shell-executor.js').then(
      ({ ShellExecutor }) => new ShellExecutor<StepSpec, Layer>(threads(options, true), why),
    )
    return loaded
  }
  return {
    id: 'wasi',
    keySalt: SHELL_SALT,
    accepts: async (step, root) => (await load()).accepts(step, root),
    run: async (...call) => (await load()).run(...call),
  }
}

function threads(options: WasiOptions, shell: boolean): WasiExecutorOptions<StepSpec, Layer> {
  return {
    writer: () => options.writer(),
    async runCommand(step: StepSpec, sink: CommandSink, signal: AbortSignal) {
      const mounts = await Promise.all(step.mounts.map((mount) => jobMount(mount, options)))
      const { args, env, cwd, user, epoch } = step
      const layers = await options.layerFiles(step.layers)
      const job: Job = {
        args,
        env,
        cwd,
        user,
        epoch,
        mounts,
        layers,
        limits: LIMITS,
        shell: shell ? shellStep(args) : undefined,
      }
      const { runInWorker } = await import('./run-worker.js')
      return runInWorker(options.workerFile, job, sink, signal)
    },
  }
}

async function jobMount(mount: StepMount, options: WasiOptions): Promise<JobMount> {
  switch (mount.type) {
    case 'tmpfs':
    case 'secret':
      return mount
    case 'bind': {
      const { type, target, path, readonly } = mount
      return { type, target, path, readonly, layers: await options.layerFiles(mount.source.layers) }
    }
    default:
      throw new TsboxError(
        'E_WASI_MOUNT',
        `run a WebAssembly program: not supported there: mount of type "${mount.type}"`,
      )
  }
}
