import type { ChildProcess } from 'node:child_process'
import { errnoCode, TsboxError } from '../../base/error.js'
import { redactRemote } from '../../base/url.js'
import { receivedBytes, withoutProgress } from './git-progress.js'

/** How git reaches servers. */
export interface GitAccess {
  env: Readonly<Record<string, string | undefined>>
  signal: AbortSignal
  /** Settings that only this use has, as `http.URL.extraheader`; they travel in the environment, not as arguments. */
  settings: readonly (readonly [key: string, value: string])[]
  /** Socket of the agent whose keys ssh may use. */
  agentSocket?: string | undefined
  /** Hears of bytes that git receives, where it tells of them. */
  received?: ((bytes: number) => void) | undefined
  /** ssh as the user has set it up, with all keys; false: the agent's keys and no settings. */
  ownSsh: boolean
}

/** Taken over from the environment: where programs are, how the network is reached, which certificates count. */
const PASSED = [
  ...['PATH', 'TMPDIR', 'http_proxy', 'https_proxy', 'all_proxy', 'no_proxy'],
  ...['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY', 'NO_PROXY'],
  ...['GIT_SSL_CAINFO', 'GIT_SSL_CAPATH', 'SSL_CERT_FILE', 'SSL_CERT_DIR'],
]

/** No setting, hook, helper or template of this machine takes part, and no program that a repository names. */
const SETTINGS: GitAccess['settings'] = [
  ['core.hooksPath', '/dev/null'],
  ['core.fsmonitor', 'false'],
  ['core.logAllRefUpdates', 'false'],
  ['core.autocrlf', 'false'],
  ['credential.helper', ''],
  ['gc.auto', '0'],
  ['maintenance.auto', 'false'],
  ['fetch.recurseSubmodules', 'false'],
  ['advice.detachedHead', 'false'],
  // A server from which nothing comes for a minute is given up.
  ['http.lowSpeedLimit', '1'],
  ['http.lowSpeedTime', '60'],
]

const SSH_OPTIONS = '-o BatchMode=yes -o ConnectTimeout=30 -o ServerAliveInterval=20'
/** Of what git says no more than this is kept. */
const MAX_OUTPUT = 4 << 20

/** git ended with another status than 0. */
export class GitFailure extends Error {
  /** What it said, without progress. */
  readonly said: string

  constructor(said: string) {
    super(said)
    this.said = said
  }
}

/**
 * Runs git to its end, with none of the user's settings: only what is fetched decides what comes of it.
 *
 * @returns its standard output
 * @throws {GitFailure} TsboxError E_NO_GIT; what the signal aborts with
 */
export async function runGit(args: readonly string[], access: GitAccess, cwd?: string): Promise<string> {
  access.signal.throwIfAborted()
  const { spawn } = await import('node:child_process')
  // A group of its own: git leaves the work to other processes, which must end with it. No terminal: nobody is asked.
  const child = spawn('git', args, {
    cwd,
    env: environment(access),
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  const release = endsWith(child, access.signal)
  try {
    const [code, stdout, stderr] = await outcome(child, access.received)
    access.signal.throwIfAborted()
    if (code === 0) return stdout
    throw new GitFailure(withoutProgress(stderr) || `git ${args[0]} ended with status ${code}`)
  } finally {
    release()
  }
}

/** Ends the child's whole group when the build is given up, or this process ends. */
function endsWith(child: ChildProcess, signal: AbortSignal): () => void {
  const kill = () => {
    try {
      if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, 'SIGKILL')
    } catch {
      // It has just ended by itself.
    }
  }
  signal.addEventListener('abort', kill)
  process.on('exit', kill)
  return () => {
    signal.removeEventListener('abort', kill)
    process.off('exit', kill)
  }
}

function outcome(
  child: ChildProcess,
  received: GitAccess['received'],
): Promise<[code: number | null, stdout: string, stderr: string]> {
  const collect = (stream: ChildProcess['stdout']) => {
    const chunks: Buffer[] = []
    let size = 0
    stream!.on('data', (chunk: Buffer) => {
      size += chunk.length
      if (size <= MAX_OUTPUT) chunks.push(chunk)
    })
    return () => Buffer.concat(chunks).toString()
  }
  const [stdout, stderr] = [collect(child.stdout), collect(child.stderr)]
  if (received) {
    const hear = receivedBytes(received)
    child.stderr!.on('data', (chunk: Buffer) => hear(chunk.toString('latin1')))
  }
  return new Promise((resolve, reject) => {
    child.on('error', (err) => reject(errnoCode(err) === 'ENOENT' ? noGit() : err))
    child.on('close', (code) => resolve([code, stdout(), stderr()]))
  })
}

function noGit(): TsboxError {
  return new TsboxError('E_NO_GIT', 'fetch git repository: no program "git" on this machine', {
    hint: 'sudo apt-get install git',
  })
}

function environment({ env, settings, agentSocket, ownSsh }: GitAccess): Record<string, string> {
  const out: Record<string, string> = {
    LC_ALL: 'C',
    HOME: '/dev/null',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_ATTR_NOSYSTEM: '1',
    GIT_TERMINAL_PROMPT: '0',
    GIT_LFS_SKIP_SMUDGE: '1',
    // Of submodules too: no path of this machine, no program as a transport.
    GIT_ALLOW_PROTOCOL: 'http:https:git:ssh',
    GIT_SSH_COMMAND: sshCommand(env, ownSsh),
    SSH_ASKPASS_REQUIRE: 'never',
  }
  for (const key of PASSED) if (env[key] !== undefined) out[key] = env[key]
  if (agentSocket !== undefined) out.SSH_AUTH_SOCK = agentSocket
  const all = [...SETTINGS, ...settings]
  out.GIT_CONFIG_COUNT = String(all.length)
  for (const [i, [key, value]] of all.entries()) {
    out[`GIT_CONFIG_KEY_${i}`] = key
    out[`GIT_CONFIG_VALUE_${i}`] = value
  }
  return out
}

function sshCommand(env: GitAccess['env'], ownSsh: boolean): string {
  if (env.GIT_SSH_COMMAND) return env.GIT_SSH_COMMAND
  return ownSsh ? `ssh ${SSH_OPTIONS}` : `ssh -F /dev/null -o IdentityFile=none ${SSH_OPTIONS}`
}

/** What of git's words tells the user why, and what mends it. */
export function fetchFailure(err: unknown, remote: string): unknown {
  if (!(err instanceof GitFailure)) return err
  const shown = redactRemote(remote)
  const reason = lastWords(err.said)
  return new TsboxError('E_GIT_FETCH', `failed to fetch remote ${shown}: git: ${reason}`, {
    cause: err,
    hint: hintFor(err.said, remote),
  })
}

function lastWords(said: string): string {
  const lines = said.split('\n').map((l) => l.trim())
  const telling = lines.filter((l) =>
    /^(?:fatal|error|remote|ssh):|denied|verification failed|refused|timed out/i.test(l),
  )
  return redactAll((telling.length ? telling : lines.slice(-3)).slice(0, 4).join('; '))
}

/** An address in git's own words: credentials were never given to it, but a server or a submodule may name some. */
function redactAll(text: string): string {
  return text.replace(/([a-z][a-z0-9+.-]*:\/\/)[^\s/'"@]*@/gi, '$1xxxxx@')
}

function hintFor(said: string, remote: string): string | undefined {
  if (/could not read Username|Authentication failed|error: 40[13]|HTTP 40[13]/i.test(said))
    return 'GIT_AUTH_TOKEN=… tsbox build --secret id=GIT_AUTH_TOKEN …, where the repository is private'
  if (/Host key verification failed/i.test(said)) {
    const [, url, host, port] = /^(ssh:\/\/)?(?:[^@/]*@)?([^:/]+)(?::(\d+))?/.exec(remote) ?? []
    const at = url && port ? `-p ${port} ${host}` : host
    return `check the host's key and keep it: ssh-keyscan ${at} >> ~/.ssh/known_hosts`
  }
  if (/Permission denied|publickey/i.test(said))
    return 'give the key: tsbox build --ssh default=KEYFILE …, or --ssh default'
  if (/cannot run ssh|ssh: not found/i.test(said)) return 'sudo apt-get install openssh-client'
  if (/transport '\w+' not allowed/i.test(said)) return 'submodules may be at https, http, ssh and git addresses'
  return undefined
}
