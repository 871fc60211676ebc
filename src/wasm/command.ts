import { TsboxError } from '../base/error.js'
import type { Sha256 } from '../base/hash.js'
import type { Clock } from './clock.js'
import { WasiHost } from './host/host.js'
import { EmptyInput, OutputStream } from './host/stdio.js'
import { compileCommand } from './module.js'
import { type CommandMount, ensureDir, mountAll, mountDevices } from './mounts.js'
import { findProgram } from './program.js'
import type { FillRandom } from './random.js'
import { runScript } from './shell/run.js'
import type { ShellStep } from './shell/step.js'
import { ShellSyntaxError } from './shell/syntax/error.js'
import { findUser, type StepUser } from './user.js'
import { type DiffEntry, diff } from './vfs/diff.js'
import { VfsError } from './vfs/error.js'
import type { FileInode } from './vfs/inode.js'
import type { LowerDir } from './vfs/lower.js'
import { Tree } from './vfs/tree.js'

/** A command to run in a root. */
export interface Command {
  /** The first is the program. */
  args: readonly string[]
  /** `K=V`. */
  env: readonly string[]
  /** Absolute; made where it is missing. */
  cwd: string
  /** As in an image's config. */
  user: string
  mounts: readonly CommandMount[]
  /** The arguments call a shell, and no program of the root is to run for it. */
  shell?: ShellStep | undefined
  limits: CommandLimits
}

/** Bytes. */
export interface CommandLimits {
  /** Of the guest's memory. */
  memoryBytes: number
  /** Of all that it writes into files. */
  fileBytes: number
}

/** What a command is given of the world. */
export interface CommandWorld {
  lower: LowerDir
  clock: Clock
  random: FillRandom
  sha256: Sha256
  stdout(chunk: Uint8Array): void
  stderr(chunk: Uint8Array): void
}

/** How it ended, and what it changed. */
export interface CommandResult {
  exitCode: number
  /** The layer; lazy, to be read once. */
  changes: Iterable<DiffEntry>
}

/** Exit code of a guest that trapped: that of a program ended by SIGABRT. */
const TRAPPED = 134

/**
 * Runs a WASI command to its end, on the caller's thread: an endless guest ends only with the thread.
 *
 * @throws TsboxError where it can't start (E_PROGRAM_NOT_FOUND, E_WASM_…, E_USER_NOT_FOUND, E_MOUNT)
 */
export function runCommand(command: Command, world: CommandWorld): CommandResult {
  const { lower, clock } = world
  const tree = new Tree({ lower, now: () => clock.realtime(), maxBytes: command.limits.fileBytes })
  const user = findUser(tree, command.user)
  prepare(tree, command)
  tree.owner = { uid: user.uid, gid: user.gid }
  if (command.shell) return { exitCode: runShell(command, command.shell, { tree, user, world }), changes: diff(tree) }
  const name = command.args[0] ?? ''
  const program = findProgram(tree, { ...command, name })
  if (!program)
    throw new TsboxError('E_PROGRAM_NOT_FOUND', `run: no such program in the root: "${name}"`, { exitCode: 127 })
  const module = compileCommand(contentOf(program), name, command.limits.memoryBytes)
  const cwd = ensureDir(tree, command.cwd)
  const stdio = [new EmptyInput(), new OutputStream(world.stdout), new OutputStream(world.stderr)] as const
  const host = new WasiHost({ ...world, tree, cwd, args: command.args, env: environment(command, user), stdio })
  return { exitCode: execute(host, module, world), changes: diff(tree) }
}

function prepare(tree: Tree, command: Command): void {
  mountDevices(tree)
  try {
    mountAll(tree, command.mounts)
    ensureDir(tree, command.cwd)
  } catch (err) {
    if (!(err instanceof VfsError)) throw err
    throw new TsboxError('E_MOUNT', `prepare the root: ${err.message}`, { cause: err })
  }
}

function contentOf(file: FileInode): Uint8Array {
  const bytes = new Uint8Array(file.content.sizeBytes)
  file.content.read(bytes, 0)
  return bytes
}

/** Runs the step's script. @throws TsboxError E_SHELL_UNSUPPORTED for what is no script */
function runShell(command: Command, shell: ShellStep, at: { tree: Tree; user: StepUser; world: CommandWorld }): number {
  const { tree, user, world } = at
  const { uid, gid } = user
  try {
    return runScript({
      ...shell,
      tree,
      dir: ensureDir(tree, command.cwd),
      cwd: command.cwd,
      env: environment(command, user),
      stdio: [new EmptyInput(), new OutputStream(world.stdout), new OutputStream(world.stderr)],
      world: { clock: world.clock, random: world.random, sha256: world.sha256, uid, gid },
      memoryBytes: command.limits.memoryBytes,
    })
  } catch (err) {
    if (!(err instanceof ShellSyntaxError)) throw err
    const { line, column } = err.at
    throw new TsboxError('E_SHELL_UNSUPPORTED', `run step: line ${line}, column ${column}: ${err.message}`, {
      hint: err.hint,
    })
  }
}

/** The step's own, with the two that a C library's start and `getcwd` look for. */
function environment(command: Command, user: StepUser): string[] {
  const env = command.env.filter((v) => !v.startsWith('PWD='))
  if (!env.some((v) => v.startsWith('HOME='))) env.push(`HOME=${user.home}`)
  return [...env, `PWD=${command.cwd}`]
}

function execute(host: WasiHost, module: WebAssembly.Module, world: CommandWorld): number {
  try {
    return host.start(new WebAssembly.Instance(module, { wasi_snapshot_preview1: host.imports }))
  } catch (err) {
    // RangeError: the guest's stack, or a memory that can't be had.
    if (!(err instanceof WebAssembly.RuntimeError || err instanceof RangeError)) throw err
    world.stderr(new TextEncoder().encode(`trap: ${err.message}\n`))
    return TRAPPED
  }
}
