import { WASI, WASIProcExit, wasi } from '@bjorn3/browser_wasi_shim'
import { encodeName } from '../../base/bytes.js'
import type { Clock } from '../clock.js'
import type { FillRandom } from '../random.js'
import type { DirInode } from '../vfs/inode.js'
import type { Tree } from '../vfs/tree.js'
import { argumentCalls } from './calls-args.js'
import { descriptorCalls } from './calls-fd.js'
import { pathCalls } from './calls-path.js'
import { pollCalls } from './calls-poll.js'
import { errnoOf } from './errno.js'
import { DIR_RIGHTS, FILE_RIGHTS, type HostFd } from './fd.js'
import { GuestMemory } from './memory.js'
import { DirFd } from './node-fd.js'
import type { Process } from './process.js'

/** System calls by name. They throw VfsError or return; success and failure become numbers around them. */
// biome-ignore lint/suspicious/noExplicitAny: i32 arguments are numbers, i64 ones bigints, as each call declares
export type Calls = Record<string, (...args: any[]) => void>

/** What a guest is given. */
export interface HostOptions {
  tree: Tree
  cwd: DirInode
  args: readonly string[]
  /** `K=V`. */
  env: readonly string[]
  clock: Clock
  random: FillRandom
  /** Input, output and errors. */
  stdio: readonly [HostFd, HostFd, HostFd]
}

/**
 * A WASI preview1 host: the shim's start, exit and simple calls, with ours over them where its own are missing or
 * wrong. `/` is the only preopened directory (descriptor 3).
 */
export class WasiHost {
  /** The imports of module `wasi_snapshot_preview1`. */
  readonly imports: Record<string, unknown>
  readonly #shim: WASI
  #memory: GuestMemory | undefined

  constructor(options: HostOptions) {
    const root = new DirFd(
      options.tree,
      options.tree.root,
      { base: DIR_RIGHTS, inheriting: DIR_RIGHTS | FILE_RIGHTS },
      '/',
    )
    const fds = [...options.stdio, root]
    this.#shim = new WASI([], [], fds, { debug: false })
    const process: Process = {
      ...options,
      args: options.args.map(encodeName),
      env: options.env.map(encodeName),
      // The shim keeps this very array, and indexes it for the calls that stay its own.
      fds,
      memory: () => this.#memory!,
    }
    const ours = {
      ...argumentCalls(process),
      ...descriptorCalls(process),
      ...pathCalls(process),
      ...pollCalls(process),
    }
    this.imports = { ...this.#shim.wasiImport, proc_raise: raise }
    for (const [name, call] of Object.entries(ours)) this.imports[name] = guarded(call)
  }

  /** Runs `_start`; returns the exit code. @throws whatever the guest traps with */
  start(instance: WebAssembly.Instance): number {
    const exports = instance.exports as { memory: WebAssembly.Memory; _start(): unknown }
    this.#memory = new GuestMemory(exports.memory)
    return this.#shim.start({ exports })
  }
}

function guarded(call: (...args: unknown[]) => void): (...args: unknown[]) => number {
  return (...args) => {
    try {
      return errnoOf(() => call(...args))
    } catch (err) {
      // An address outside of the guest's memory; a guest that recursed too deeply fails as a trap instead.
      if (err instanceof RangeError && !/call stack/.test(err.message)) return wasi.ERRNO_FAULT
      throw err
    }
  }
}

/** A guest that raises a signal ends as if by it. WASI's numbers below 16 are POSIX's. */
function raise(signal: number): never {
  throw new WASIProcExit(128 + signal)
}
