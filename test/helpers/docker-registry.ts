import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { onPath } from './cli.js'
import { runProgram } from './programs.js'

/** Who may log in to a registry with accounts, and the line of htpasswd that says so (`htpasswd -nbB -C 5`). */
export const ALICE = { username: 'alice', password: 'correct horse' }
const HTPASSWD = 'alice:$2y$05$3SXc9ri0kVTOUINOVNtvyu0Kl0BKx3A06FozERC9enckk10GhvF7W\n'

/** Debian's docker-registry on loopback. */
export interface DockerRegistry {
  /** `localhost:PORT` */
  host: string
  /** PEM file of the authority, where it speaks TLS. */
  ca?: string
  /** What it was asked so far: method, path, status. */
  requests(): Promise<string[]>
  stop(): Promise<void>
}

export interface RegistryChoice {
  accounts?: boolean
  tls?: boolean
}

/** Programs without which there is none: name and package. */
export const REGISTRY_PROGRAMS: [program: string, packageName: string][] = [
  ['docker-registry', 'docker-registry'],
  ['openssl', 'openssl'],
]

/** Starts one that keeps its data in `dir`; stop it at the end. */
export async function startRegistry(dir: string, { accounts, tls }: RegistryChoice = {}): Promise<DockerRegistry> {
  mkdirSync(dir, { recursive: true })
  const port = await freePort()
  const pair = tls ? certificate(dir) : undefined
  writeFileSync(join(dir, 'htpasswd'), HTPASSWD)
  const config = {
    version: '0.1',
    log: { level: 'error', accesslog: { disabled: false } },
    storage: { filesystem: { rootdirectory: join(dir, 'data') }, delete: { enabled: true } },
    http: { addr: `127.0.0.1:${port}`, ...(pair ? { tls: { certificate: pair.cert, key: pair.key } } : {}) },
    ...(accounts ? { auth: { htpasswd: { realm: 'test', path: join(dir, 'htpasswd') } } } : {}),
  }
  // JSON is YAML.
  writeFileSync(join(dir, 'config.yml'), JSON.stringify(config))
  const log = join(dir, 'log')
  const fd = openSync(log, 'w')
  const child = spawn('docker-registry', ['serve', join(dir, 'config.yml')], { stdio: ['ignore', fd, 'ignore'] })
  closeSync(fd)
  let marks = 0
  await answers(port, () => child.exitCode)
  return {
    host: `localhost:${port}`,
    ...(pair ? { ca: pair.cert } : {}),
    async requests() {
      // A line is written when a request has ended: one more, sent after all others, ends after them.
      const mark = `/mark-${++marks}`
      await knock(port, mark, pair !== undefined)
      for (;;) {
        const lines = [...readFileSync(log, 'utf8').matchAll(/"([A-Z]+) (\S+) HTTP\/1\.1" (\d+)/g)]
        const all = lines.map(([, method, path, status]) => `${method} ${path} ${status}`)
        if (all.some((r) => r.includes(mark))) return all.filter((r) => !r.includes('/mark-'))
        await new Promise((resolve) => setTimeout(resolve, 10))
      }
    },
    async stop() {
      child.kill('SIGKILL')
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    },
  }
}

/** All that this user's own configuration would say is out of the way. */
export function cleanHome(dir: string): Record<string, string> {
  const home = join(dir, 'home')
  mkdirSync(join(home, '.config'), { recursive: true })
  const run = join(home, 'run')
  mkdirSync(run, { mode: 0o700 })
  return { HOME: home, XDG_CONFIG_HOME: '', XDG_RUNTIME_DIR: run, DOCKER_CONFIG: '', REGISTRY_AUTH_FILE: '' }
}

/** Text of all small files below a folder, to look for what must not be there. */
export function allText(dir: string): string {
  const files = readdirSync(dir, { recursive: true, withFileTypes: true }).filter((e) => e.isFile())
  return files.map((e) => readFileSync(join(e.parentPath, e.name), 'latin1')).join('\n')
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

async function knock(port: number, path: string, tls: boolean): Promise<void> {
  const options = { port, host: '127.0.0.1', path, rejectUnauthorized: false, agent: false }
  const [answer] = await once((tls ? https : http).get(options), 'response')
  answer.resume()
  await once(answer, 'end')
}

/** Waits until something listens. */
async function answers(port: number, exited: () => number | null): Promise<void> {
  for (;;) {
    if (exited() !== null) throw new Error(`docker-registry ended with ${exited()}`)
    const socket = connect(port, '127.0.0.1')
    const open = await new Promise<boolean>((resolve) => {
      socket.on('connect', () => resolve(true))
      socket.on('error', () => resolve(false))
    })
    socket.destroy()
    if (open) return
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

/** A certificate of its own for localhost. */
export function certificate(dir: string): { key: string; cert: string } {
  const [key, cert] = [join(dir, 'key.pem'), join(dir, 'cert.pem')]
  if (!onPath('openssl')) throw new Error('openssl is not installed: sudo apt-get install openssl')
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1']
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
  runProgram('openssl', ['req', '-x509', ...kind, '-keyout', key, '-out', cert, ...subject])
  return { key, cert }
}
