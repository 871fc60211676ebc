import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { errnoCode, TsboxError } from '../../base/error.js'
import type { Lease } from '../../store/lease.js'
import { socketDir } from '../../util/socket-dir.js'

/** An ssh-agent of this process. */
export interface KeyAgent {
  /** A path that is short enough for any program. */
  socket: string
  /** Ends it. Idempotent. */
  close(): void
}

/** Longer than any sane answer takes; an agent that hangs must not hang the build. */
const LIMIT_MS = 30_000

/**
 * Starts an agent that holds the keys of some files, for as long as this process lives and no longer: it is the child of
 * a shell that waits for this process's end of a pipe.
 *
 * @throws TsboxError E_NO_SSH_AGENT where the programs are not installed, E_SSH for what is no key that can be used
 */
export async function startKeyAgent(
  keys: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  lease: Lease,
): Promise<KeyAgent> {
  const dir = socketDir(lease.tempPath('ssh'))
  const socket = dir.short('agent')
  // ssh-agent becomes the shell and goes on in a child, which ends within seconds of the shell.
  const script = 'echo "$SSH_AGENT_PID"; exec cat'
  const shell = spawn('ssh-agent', ['-a', socket, '/bin/sh', '-c', script], {
    env: { PATH: env.PATH },
    stdio: ['pipe', 'pipe', 'pipe'],
    // Ctrl-C is for this process, which ends it when the build has let go.
    detached: true,
  })
  // Broken where the shell is gone already.
  shell.stdin.on('error', () => {})
  let pid: number | undefined
  const close = () => {
    process.off('exit', close)
    if (pid !== undefined) end(pid)
    pid = undefined
    shell.stdin.destroy()
    dir.close()
  }
  try {
    pid = await firstLine(shell)
    process.on('exit', close)
    for (const key of keys) await addKey(key, socket, env)
  } catch (err) {
    close()
    throw err
  }
  shell.unref()
  return { socket, close: once(close) }
}

function once(work: () => void): () => void {
  let done = false
  return () => {
    if (!done) work()
    done = true
  }
}

function end(pid: number): void {
  try {
    process.kill(pid, 'SIGTERM')
  } catch {
    // It has ended by itself.
  }
}

/** The agent's process id. */
function firstLine(shell: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    let said = ''
    let wrong = ''
    shell.on('error', (err) => reject(missing('ssh-agent', err)))
    shell.on('close', () => reject(failed(`ssh-agent ended: ${wrong.trim()}`)))
    shell.stderr!.on('data', (chunk) => {
      wrong += chunk
    })
    shell.stdout!.on('data', (chunk) => {
      said += chunk
      if (said.includes('\n')) resolve(Number(said))
    })
  })
}

/** Through standard input: ssh-add itself would refuse a file that others may read, and ask for a passphrase. */
async function addKey(file: string, socket: string, env: Readonly<Record<string, string | undefined>>): Promise<void> {
  const content = readKey(file)
  const said = await new Promise<string | undefined>((resolve, reject) => {
    const child = spawn('ssh-add', ['-q', '-'], {
      env: { PATH: env.PATH, SSH_AUTH_SOCK: socket, SSH_ASKPASS_REQUIRE: 'never', LC_ALL: 'C' },
      stdio: ['pipe', 'ignore', 'pipe'],
      // No terminal to ask for a passphrase on.
      detached: true,
      timeout: LIMIT_MS,
    })
    let wrong = ''
    child.on('error', (err) => reject(missing('ssh-add', err)))
    child.stderr.on('data', (chunk) => {
      wrong += chunk
    })
    child.on('close', (code) => resolve(code === 0 ? undefined : wrong.trim()))
    child.stdin.on('error', () => {})
    child.stdin.end(content)
  })
  if (said === undefined) return
  const locked = /passphrase/i.test(said)
  throw failed(`${locked ? 'it has a passphrase' : 'no private key that ssh-add takes'}: "${file}"`, {
    hint: locked
      ? `add it to an agent, ssh-add '${file}', and give that: --ssh default`
      : 'give the private key, not the one that ends with .pub',
  })
}

function readKey(file: string): Buffer {
  try {
    const content = readFileSync(file)
    return content.at(-1) === 10 ? content : Buffer.concat([content, Buffer.from('\n')])
  } catch (cause) {
    throw failed(`${errnoCode(cause) ?? 'failed'}: "${file}"`, { cause })
  }
}

function failed(reason: string, options: { hint?: string; cause?: unknown } = {}): TsboxError {
  return new TsboxError('E_SSH', `give ssh key to the build: ${reason}`, options)
}

function missing(program: string, err: unknown): unknown {
  if (errnoCode(err) !== 'ENOENT') return err
  return new TsboxError('E_NO_SSH_AGENT', `give ssh key to the build: no program "${program}" on this machine`, {
    hint: 'sudo apt-get install openssh-client',
  })
}
