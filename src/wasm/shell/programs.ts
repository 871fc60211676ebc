import { WasiHost } from '../host/host.js'
import { compileCommand, wasmKind } from '../module.js'
import type { FileInode, Inode } from '../vfs/inode.js'
import { fromName, toName } from './bytes.js'
import type { ShellState } from './state.js'
import { BorrowedFd, Pipe, PipeReader, PipeWriter, Writer } from './streams.js'

const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
/** Exit status of a guest that trapped: that of a program ended by SIGABRT. */
const TRAPPED = 134

/**
 * Where a command's program is; undefined where there is none.
 *
 * @param name with a slash it is a path
 */
export function findExecutable(state: ShellState, name: string): string | undefined {
  if (name === '') return undefined
  if (name.includes('/')) return state.files.find(name) ? name : undefined
  for (const dir of (state.get('PATH') ?? DEFAULT_PATH).split(':')) {
    const path = dir === '' ? name : `${dir.replace(/\/+$/, '')}/${name}`
    const node = state.files.find(path)
    // Images of WASI programs often do not mark them as executable.
    if (node?.kind === 'file' && (node.mode & 0o111 || headOf(node).startsWith('\0asm'))) return path
  }
  return undefined
}

/** Programs of the image: what a file is, and how a module runs. */
export class Programs {
  readonly #memoryBytes: number
  /** Compiled modules; a file that changes is another one. */
  readonly #modules = new Map<FileInode, { version: string; module: WebAssembly.Module }>()

  constructor(memoryBytes: number) {
    this.#memoryBytes = memoryBytes
  }

  /** `module`, `script`, `directory`, or why it can't run. */
  kind(state: ShellState, path: string): string {
    const node: Inode | undefined = state.files.find(path)
    if (node?.kind === 'dir') return 'directory'
    if (node?.kind !== 'file') return 'Permission denied'
    const head = headOf(node)
    const wasm = wasmKind(Uint8Array.from(head, (c) => c.charCodeAt(0)))
    if (wasm === 'module') return 'module'
    if (wasm === 'component') return 'not a WebAssembly module of WASI preview1'
    if (head.startsWith('\x7fELF')) return 'a program for Linux, which needs namespaces to run'
    return node.mode & 0o111 ? 'script' : 'Permission denied'
  }

  /** Runs a module to its end with the shell's descriptors. @throws TsboxError where it can't start */
  run(state: ShellState, path: string, args: readonly string[]): number {
    const { files, world, descriptors } = state
    const node = files.stat(path) as FileInode
    const stdio = [0, 1, 2].map((n) => {
      const file = descriptors.get(n)
      if (file) return new BorrowedFd(file.fd)
      return n === 0 ? new PipeReader(new Pipe()) : new PipeWriter(new Pipe())
    }) as [BorrowedFd, BorrowedFd, BorrowedFd]
    const env = state.environment().filter((v) => !v.startsWith('PWD='))
    const host = new WasiHost({
      tree: files.tree,
      cwd: files.dir,
      args: args.map(toName),
      env: [...env, `PWD=${files.cwd}`].map(toName),
      clock: world.clock,
      random: world.random,
      stdio,
    })
    const module = this.#compiled(node, path)
    try {
      return host.start(new WebAssembly.Instance(module, { wasi_snapshot_preview1: host.imports }))
    } catch (err) {
      if (!(err instanceof WebAssembly.RuntimeError || err instanceof RangeError)) throw err
      const writer = new Writer(stdio[2])
      writer.text(fromName(`trap: ${err.message}\n`))
      writer.flush()
      return TRAPPED
    }
  }

  #compiled(node: FileInode, name: string): WebAssembly.Module {
    const version = `${node.mtime} ${node.content.sizeBytes}`
    const known = this.#modules.get(node)
    if (known?.version === version) return known.module
    const bytes = new Uint8Array(node.content.sizeBytes)
    node.content.read(bytes, 0)
    const module = compileCommand(bytes, name, this.#memoryBytes)
    this.#modules.set(node, { version, module })
    return module
  }
}

function headOf(node: FileInode): string {
  const head = new Uint8Array(8)
  const got = node.content.read(head, 0)
  return String.fromCharCode(...head.subarray(0, got))
}
