import { createHash, randomFillSync } from 'node:crypto'
import type { Hasher } from '../../src/base/hash.js'
import { EmptyInput, OutputStream } from '../../src/wasm/host/stdio.js'
import { ensureDir, mountDevices } from '../../src/wasm/mounts.js'
import { runScript } from '../../src/wasm/shell/run.js'
import type { ShellWorld } from '../../src/wasm/shell/state.js'
import type { DirInode, Inode } from '../../src/wasm/vfs/inode.js'
import { memoryLower } from '../../src/wasm/vfs/lower.js'
import { Tree } from '../../src/wasm/vfs/tree.js'

/** What a script left behind. */
export interface ScriptRun {
  stdout: string
  stderr: string
  status: number
  /** Below the folder it ran in: path → `kind mode content-or-target`. */
  tree: Record<string, string>
}

const hasher = (): Hasher => {
  const hash = createHash('sha256')
  const out: Hasher = {
    update: (data) => {
      hash.update(data)
      return out
    },
    hex: () => hash.digest('hex'),
  }
  return out
}

/** The world of the machine. */
export const WORLD: ShellWorld = {
  clock: {
    realtime: () => BigInt(Date.now()) * 1_000_000n,
    monotonic: () => process.hrtime.bigint(),
    sleep: () => undefined,
  },
  random: (into) => void randomFillSync(into),
  sha256: hasher,
  uid: 0,
  gid: 0,
}

/** A root that knows its users. */
const lower = memoryLower(
  [
    { path: 'etc', type: 'dir' as const, mode: 0o755, content: '' },
    { path: 'etc/passwd', type: 'file' as const, mode: 0o644, content: 'root:x:0:0:root:/root:/bin/sh\n' },
    { path: 'etc/group', type: 'file' as const, mode: 0o644, content: 'root:x:0:\n' },
  ].map(({ path, type, mode, content }) => ({
    entry: { path, type, mode, uid: 0, gid: 0, mtime: 0, size: content.length },
    content: Buffer.from(content),
  })),
)

/** Runs a script in an empty folder of an otherwise empty root. */
export function runShell(
  script: string,
  options: { args?: string[]; env?: string[]; world?: Partial<ShellWorld> } = {},
): ScriptRun {
  const world = { ...WORLD, ...options.world }
  const tree = new Tree({ lower, now: () => world.clock.realtime(), maxBytes: 1 << 30 })
  mountDevices(tree)
  ensureDir(tree, '/tmp')
  const dir = ensureDir(tree, '/work')
  const out: Buffer[] = []
  const err: Buffer[] = []
  const status = runScript({
    tree,
    dir,
    cwd: '/work',
    script,
    name: 'sh',
    args: options.args ?? [],
    options: '',
    env: options.env ?? ['PATH=/usr/local/bin:/usr/bin:/bin', 'HOME=/work'],
    stdio: [
      new EmptyInput(),
      new OutputStream((chunk) => out.push(Buffer.from(chunk))),
      new OutputStream((chunk) => err.push(Buffer.from(chunk))),
    ],
    world,
    memoryBytes: 1 << 30,
  })
  const found: Record<string, string> = {}
  list(tree, dir, '', found)
  return {
    stdout: Buffer.concat(out).toString('latin1'),
    stderr: Buffer.concat(err).toString('latin1'),
    status,
    tree: found,
  }
}

function list(tree: Tree, dir: DirInode, prefix: string, out: Record<string, string>): void {
  for (const name of tree.names(dir)) {
    const node = tree.lookup(dir, name)!
    out[prefix + name] = describe(node)
    if (node.kind === 'dir') list(tree, node, `${prefix}${name}/`, out)
  }
}

function describe(node: Inode): string {
  const mode = (node.mode & 0o7777).toString(8)
  if (node.kind === 'symlink') return `symlink ${node.target}`
  if (node.kind !== 'file') return `${node.kind} ${mode}`
  const bytes = Buffer.alloc(node.content.sizeBytes)
  node.content.read(bytes, 0)
  return `file ${mode} ${bytes.toString('latin1')}`
}
