import type { HostFd } from '../host/fd.js'
import type { DirInode } from '../vfs/inode.js'
import type { Tree } from '../vfs/tree.js'
import { fromName } from './bytes.js'
import { Files } from './files.js'
import { Programs } from './programs.js'
import { Shell } from './shell.js'
import { ShellState, type ShellWorld } from './state.js'
import { Descriptors, OpenFile } from './streams.js'
import { parseScript } from './syntax/parser.js'

/** A script to run over a tree. */
export interface ShellRun {
  tree: Tree
  /** Where it starts, and the path of that. */
  dir: DirInode
  cwd: string
  script: string
  /** `$0` and the parameters. */
  name: string
  args: readonly string[]
  /** Letters of options: `e`, `x`, … */
  options: string
  /** `K=V`. */
  env: readonly string[]
  stdio: readonly [HostFd, HostFd, HostFd]
  world: ShellWorld
  /** Bytes that a module's memory may grow to. */
  memoryBytes: number
}

/**
 * Runs a shell script, on the caller's thread.
 *
 * @returns its exit status
 * @throws {ShellSyntaxError} before anything ran
 */
export function runScript(run: ShellRun): number {
  const list = parseScript(fromName(run.script))
  const files = new Files(run.tree, run.dir, fromName(run.cwd), run.world.random)
  const variables = new Map(
    run.env.map((v) => {
      const [name, value = ''] = fromName(v).split(/=(.*)/s) as [string, string?]
      return [name, { value, exported: true, readonly: false }]
    }),
  )
  const own = { IFS: ' \t\n', PS4: '+ ', OPTIND: '1', PPID: '0', PWD: files.cwd }
  for (const [name, value] of Object.entries(own))
    if (name !== 'PS4' || !variables.has(name))
      variables.set(name, { value, exported: variables.has(name) || name === 'PWD', readonly: false })
  const state = new ShellState({
    variables,
    functions: new Map(),
    args: run.args.map(fromName),
    name: fromName(run.name),
    options: new Set(run.options),
    files,
    descriptors: new Descriptors(run.stdio.map((fd, i) => [i, new OpenFile(fd)])),
    traps: new Map(),
    world: run.world,
  })
  try {
    return new Shell(state, new Programs(run.memoryBytes)).main(list)
  } finally {
    state.descriptors.closeAll()
  }
}
