// Runs a test guest in a small root, on this thread.

import type { Entry } from '../../src/layer/entry.js'
import { virtualClock } from '../../src/wasm/clock.js'
import { type Command, runCommand } from '../../src/wasm/command.js'
import { seededRandom } from '../../src/wasm/random.js'
import { memoryLower } from '../../src/wasm/vfs/lower.js'
import { Guest } from './guest.js'
import { WORLD } from './shell-run.js'

export interface RootFile {
  entry: Entry
  content?: Uint8Array | undefined
}

/** An entry with the usual metadata: owner 0, time 1000, the mode of its type. */
export function entryAt(path: string, type: Entry['type'], more: Partial<Entry> = {}): Entry {
  const mode = { dir: 0o755, symlink: 0o777 }[type as string] ?? 0o644
  return { path, type, mode, uid: 0, gid: 0, mtime: 1000, size: 0, ...more }
}

export function fileAt(path: string, text: string | Uint8Array, more: Partial<Entry> = {}): RootFile {
  const content = typeof text === 'string' ? new TextEncoder().encode(text) : text
  return { entry: entryAt(path, 'file', { size: content.length, ...more }), content }
}

export function dirAt(path: string): RootFile {
  return { entry: entryAt(path, 'dir') }
}

export function linkAt(path: string, link: string): RootFile {
  return { entry: entryAt(path, 'symlink', { link }) }
}

export interface Ran {
  exitCode: number
  stdout: string
  stderr: string
  /** Entries with their content as text. */
  changes: (Entry & { text?: string })[]
  /** As `type path[ -> link]`, in order. */
  names: string[]
}

/** Runs what `build` makes as /main.wasm. */
export async function runGuest(
  build: (guest: Guest) => void,
  root: RootFile[] = [],
  command: Partial<Command> = {},
): Promise<Ran> {
  const guest = new Guest()
  build(guest)
  return runWasm(await guest.wasm(), root, command)
}

export function runWasm(wasm: Uint8Array, root: RootFile[] = [], command: Partial<Command> = {}): Ran {
  const out = { stdout: '', stderr: '' }
  const decoder = new TextDecoder()
  const result = runCommand(
    {
      args: ['/main.wasm'],
      env: [],
      cwd: '/',
      user: '',
      mounts: [],
      limits: { memoryBytes: 1 << 24, fileBytes: 1 << 24 },
      ...command,
    },
    {
      lower: memoryLower([dirAt(''), fileAt('main.wasm', wasm), ...root]),
      clock: virtualClock(5000),
      random: seededRandom('test'),
      sha256: WORLD.sha256,
      stdout: (chunk) => (out.stdout += decoder.decode(chunk)),
      stderr: (chunk) => (out.stderr += decoder.decode(chunk)),
    },
  )
  const changes = [...result.changes].map(({ entry, content }) => {
    const text = content ? [...content].map((c) => decoder.decode(c)).join('') : undefined
    return text === undefined ? entry : { ...entry, text }
  })
  const names = changes.map((e) => `${e.type} ${e.path}${e.link === undefined ? '' : ` -> ${e.link}`}`)
  return { ...out, exitCode: result.exitCode, changes, names }
}
