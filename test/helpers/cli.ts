import { type ChildProcess, type SpawnOptions, spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import {
  accessSync,
  chmodSync,
  constants,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, type TestContext } from 'node:test'
import { Agent } from '../../src/rootless/agent.js'
import { HELPER, ID_MODES, requireUserns } from './userns.js'

/** The checkout under test. */
export const REPO = process.env.TSBOX_REPO ?? process.cwd()
/** The command as users start it. */
export const TSBOX = join(REPO, 'bin/tsbox')

/** A command that hangs fails its test after this. */
const LIMIT_MS = 120_000

/** What a command left behind. */
export interface Ran {
  /** Exit status; null where a signal ended it. */
  code: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
}

/** How a command is started. */
export interface RunOptions {
  cwd?: string | undefined
  env?: Readonly<Record<string, string | undefined>> | undefined
  input?: string | Uint8Array | undefined
  timeoutMs?: number | undefined
}

/** A command under way. */
export interface Running {
  child: ChildProcess
  pid: number
  /** What it has printed so far. */
  stdout: () => string
  stderr: () => string
  /** Settles when it has ended and its streams are closed. */
  ended: Promise<Ran>
  /** Waits until its output matches, on either stream. @throws where it ends first */
  until: (pattern: RegExp) => Promise<void>
}

/** tsbox on a store of its own, in an environment in which nothing of the caller's steers it. */
export class Cli {
  /** Folder of the store; comes into being with the first command that writes. */
  readonly root: string
  /** Folder for the test's own files. */
  readonly dir: string
  /** In the environment of every process that this starts: `TSBOX_TEST_MARK=…`. */
  readonly mark: string
  readonly env: Record<string, string>

  constructor(dir: string, env: Readonly<Record<string, string>> = {}) {
    this.dir = dir
    this.root = join(dir, 'store')
    this.mark = `TSBOX_TEST_MARK=${randomBytes(8).toString('hex')}`
    this.env = { ...plainEnv(), TSBOX_ROOT: this.root, TSBOX_TEST_MARK: this.mark.split('=')[1]!, ...env }
  }

  /** The same store under another environment. */
  with(env: Readonly<Record<string, string>>): Cli {
    const other = new Cli(this.dir, { ...this.env, ...env })
    return Object.assign(other, { mark: this.mark })
  }

  /** Runs a command to its end. */
  run(args: readonly string[], options: RunOptions = {}): Ran {
    const ran = spawnSync(TSBOX, args, {
      ...this.#options(options),
      input: options.input ?? '',
      timeout: options.timeoutMs ?? LIMIT_MS,
      killSignal: 'SIGKILL',
      maxBuffer: 1 << 28,
    })
    if (ran.error) throw ran.error
    return { code: ran.status, signal: ran.signal, stdout: ran.stdout.toString(), stderr: ran.stderr.toString() }
  }

  /** Runs a command that must succeed. @returns its standard output */
  ok(args: readonly string[], options: RunOptions = {}): string {
    const ran = this.run(args, options)
    if (ran.code !== 0)
      throw new Error(`tsbox ${args.join(' ')} ended with ${ran.code ?? ran.signal}:\n${ran.stdout}${ran.stderr}`)
    return ran.stdout
  }

  /** Builds with plain progress; must succeed. @returns the image id and the log */
  build(context: string, args: readonly string[] = [], options: RunOptions = {}): { id: string; log: string } {
    const iidfile = join(this.dir, `iid-${randomBytes(4).toString('hex')}`)
    const ran = this.run(['build', '--progress', 'plain', '--iidfile', iidfile, ...args, context], options)
    if (ran.code !== 0) throw new Error(`tsbox build ${args.join(' ')} ended with ${ran.code}:\n${ran.stderr}`)
    const id = readFileSync(iidfile, 'utf8')
    rmSync(iidfile)
    return { id, log: ran.stderr }
  }

  /** Starts a command; its input stays open until `child.stdin` is ended, unless `stdio` says otherwise. */
  start(
    args: readonly string[],
    options: RunOptions & { stdio?: SpawnOptions['stdio']; detached?: boolean } = {},
  ): Running {
    return startProgram(TSBOX, args, {
      ...this.#options(options),
      stdio: options.stdio ?? 'pipe',
      ...(options.detached === undefined ? {} : { detached: options.detached }),
    })
  }

  /** Ids of all images, sorted. */
  images(): string[] {
    return this.ok(['images', '-q', '--no-trunc']).split('\n').filter(Boolean).sort()
  }

  /** Names in a folder of the store, sorted; empty where there is none. */
  names(...parts: string[]): string[] {
    try {
      return readdirSync(join(this.root, ...parts)).sort()
    } catch {
      return []
    }
  }

  /**
   * What a command may leave only while it runs: temporary files, leases, processes, mounts. Empty when all is well.
   */
  leftovers(): string[] {
    return [
      ...this.names('tmp').map((n) => `tmp/${n}`),
      ...this.names('leases').map((n) => `leases/${n}`),
      ...processesOf(this).map((p) => `process ${p.pid}: ${p.command}`),
      ...mountsOf(this.root),
    ]
  }

  /** Bytes on disk. */
  diskBytes(): number {
    return diskBytes(this.root)
  }

  #options(options: RunOptions) {
    return { cwd: options.cwd ?? this.dir, env: { ...this.env, ...options.env } }
  }
}

/** The caller's environment without what steers tsbox or BuildKit. */
function plainEnv(): Record<string, string> {
  const out: Record<string, string> = { NO_COLOR: '1' }
  for (const [key, value] of Object.entries(process.env)) {
    if (value === undefined || /^(TSBOX_|BUILDKIT_|NODE_|XDG_DATA_HOME|SOURCE_DATE_EPOCH)/.test(key)) continue
    out[key] = value
  }
  return out
}

/** Starts any program as `Cli.start` does. */
export function startProgram(program: string, args: readonly string[], options: SpawnOptions): Running {
  const child = spawn(program, args, options)
  const text = { stdout: '', stderr: '' }
  const listeners = new Set<() => void>()
  for (const name of ['stdout', 'stderr'] as const)
    child[name]?.setEncoding('utf8').on('data', (chunk: string) => {
      text[name] += chunk
      for (const listener of listeners) listener()
    })
  const timer = setTimeout(() => child.kill('SIGKILL'), LIMIT_MS)
  const ended = new Promise<Ran>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      resolve({ code, signal, ...text })
    })
  })
  ended.catch(() => {})
  const until = (pattern: RegExp) =>
    new Promise<void>((resolve, reject) => {
      const look = () => {
        if (!pattern.test(text.stdout) && !pattern.test(text.stderr)) return
        listeners.delete(look)
        resolve()
      }
      listeners.add(look)
      look()
      const gone = () => reject(new Error(`it ended before ${pattern}:\n${text.stdout}${text.stderr}`))
      ended.then(gone, reject)
    })
  return { child, pid: child.pid ?? -1, stdout: () => text.stdout, stderr: () => text.stderr, ended, until }
}

/** A store that goes with the test. */
export function openCli(t: TestContext, env: Readonly<Record<string, string>> = {}): Cli {
  const dir = mkdtempSync(join(tmpdir(), 'tsbox-test-'))
  t.after(() => removeMapped(dir))
  return new Cli(dir, env)
}

/** A store that all tests of a file share; it goes when they have run. */
export function sharedCli(): Cli {
  const dir = mkdtempSync(join(tmpdir(), 'tsbox-test-'))
  after(() => removeMapped(dir))
  return new Cli(dir)
}

/** Removes a tree with whatever owners a build left in it. */
export async function removeMapped(dir: string): Promise<void> {
  try {
    rmSync(dir, { recursive: true, force: true })
    return
  } catch {
    // Files of mapped users: only root of their namespace can remove them.
  }
  const agent = await Agent.start({ helperPath: HELPER, ...ID_MODES[0]! })
  await agent.remove([dir])
  await agent.close()
}

let userns: boolean | undefined

/** True where user namespaces work, asked once; else skips the test, or fails it with TSBOX_MUST_WORK=1. */
export async function requireBox(t: TestContext): Promise<boolean> {
  if (userns === true) return true
  userns = await requireUserns(t)
  return userns
}

/** True where both id modes can be had. */
export const HAS_SUBIDS = ID_MODES.some((c) => c.mode === 'subid')

/** Skips with a reason, which is a failure with TSBOX_MUST_WORK=1 unless this user can't have it by definition. */
export function skip(t: TestContext, reason: string, options: { byDefinition?: boolean } = {}): false {
  if (process.env.TSBOX_MUST_WORK === '1' && !options.byDefinition) throw new Error(reason)
  t.skip(reason)
  return false
}

const BASE_PROGRAMS =
  'sh cat ls id env stat sleep mkdir chmod chown ln cp rm mv touch head tail grep wc true false stty tty sha256sum find mknod date readlink sort tr test uname install'

/** A base image of this machine's programs, named `base`. */
export function makeBase(cli: Cli, more: readonly string[] = []): void {
  const programs = [...BASE_PROGRAMS.split(' '), ...more].filter(onPath)
  cli.ok(['image', 'from-host', 'base', ...programs])
}

/** Whether a program can be found as a user's shell would. */
export function onPath(program: string): boolean {
  const dirs = (process.env.PATH ?? '').split(':')
  return dirs.some((dir) => {
    try {
      accessSync(join(dir, program), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

/** A file of a context: its text, or what it is. */
export type ContextFile = string | { text: string | Uint8Array; mode?: number } | { link: string }

/** Writes a build context below the test's folder. @returns its path */
export function writeContext(cli: Cli, files: Readonly<Record<string, ContextFile>>): string {
  const dir = mkdtempSync(join(cli.dir, 'context-'))
  for (const [name, file] of Object.entries(files)) {
    const path = join(dir, name)
    mkdirSync(dirname(path), { recursive: true })
    if (typeof file === 'object' && 'link' in file) symlinkSync(file.link, path)
    else {
      writeFileSync(path, typeof file === 'string' ? file : file.text)
      chmodSync(path, (typeof file === 'object' && file.mode) || 0o644)
    }
  }
  return dir
}

/** A process that still lives. */
export interface FoundProcess {
  pid: number
  command: string
}

/**
 * Processes that a Cli started, and theirs: by the mark in their environment, by a mount of the store, or by a file of it
 * that they have open.
 */
export function processesOf(cli: Cli): FoundProcess[] {
  const out: FoundProcess[] = []
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) continue
    if (!has(name, 'environ', cli.mark) && !has(name, 'mountinfo', cli.root) && !hasOpen(name, cli.root)) continue
    const command = read(name, 'cmdline').replaceAll('\0', ' ').trim()
    if (!/\) [ZX] /.test(read(name, 'stat'))) out.push({ pid: Number(name), command })
  }
  return out
}

function has(pid: string, file: string, text: string): boolean {
  return read(pid, file).includes(text)
}

function hasOpen(pid: string, folder: string): boolean {
  const dir = `/proc/${pid}/fd`
  try {
    return readdirSync(dir).some((fd) => readlinkSync(join(dir, fd)).startsWith(folder))
  } catch {
    // Of another user, or gone.
    return false
  }
}

function read(pid: string, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'latin1')
  } catch {
    return ''
  }
}

/** Lines of this process' mount table that are about a folder. */
export function mountsOf(root: string): string[] {
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter((line) => line.includes(root))
}

/** `du -s` of a folder in bytes, hard links once; folders that only mapped users may read count as empty. */
export function diskBytes(path: string): number {
  const run = spawnSync('du', ['-s', '-B1', path], { encoding: 'utf8' })
  return Number(/^\d+/.exec(run.stdout)?.[0] ?? 0)
}
