/** Real repositories, and real servers of them on loopback, for tests. */
import { spawn } from 'node:child_process'
import { chmodSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { connect, createServer as createTcpServer } from 'node:net'
import { dirname, join, normalize } from 'node:path'
import type { TestContext } from 'node:test'
import type { ContextFile } from './cli.js'
import { runProgram } from './programs.js'
import { until } from './userns.js'
import { listen } from './web.js'

const AUTHOR = {
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_AUTHOR_NAME: 'a',
  GIT_AUTHOR_EMAIL: 'a@b.c',
  GIT_COMMITTER_NAME: 'a',
  GIT_COMMITTER_EMAIL: 'a@b.c',
  GIT_ALLOW_PROTOCOL: 'file:git:http',
}

/** A repository with a working tree. */
export class Repository {
  readonly dir: string

  constructor(dir: string) {
    this.dir = dir
    mkdirSync(dir, { recursive: true })
    this.git('init', '-q', '-b', 'main')
  }

  git(...args: string[]): string {
    return runProgram('git', args, { cwd: this.dir, env: { ...process.env, ...AUTHOR } }).trim()
  }

  /** Writes files and commits everything. @returns the commit's id */
  commit(files: Readonly<Record<string, ContextFile>>): string {
    for (const [name, file] of Object.entries(files)) {
      const path = join(this.dir, name)
      mkdirSync(dirname(path), { recursive: true })
      if (typeof file === 'object' && 'link' in file) symlinkSync(file.link, path)
      else {
        writeFileSync(path, typeof file === 'string' ? file : file.text)
        chmodSync(path, (typeof file === 'object' ? file.mode : undefined) ?? 0o644)
      }
    }
    this.git('add', '-A')
    this.git('commit', '-q', '-m', 'change')
    this.git('update-server-info')
    return this.git('rev-parse', 'HEAD')
  }
}

/** Serves every repository below a folder by git's own protocol until the test ends. @returns `git://…` */
export async function gitDaemon(t: TestContext, root: string): Promise<string> {
  const port = await freePort()
  const program = join(runProgram('git', ['--exec-path']).trim(), 'git-daemon')
  const args = ['--listen=127.0.0.1', `--port=${port}`, '--reuseaddr', '--export-all', `--base-path=${root}`, root]
  const daemon = spawn(program, args, { stdio: 'ignore', env: { ...process.env, ...AUTHOR } })
  t.after(() => daemon.kill('SIGKILL'))
  await until(() => answers(port))
  return `git://127.0.0.1:${port}`
}

/** A port that nobody listens on at the moment. */
export async function freePort(): Promise<number> {
  const server = createTcpServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** Whether something listens on a port of loopback. */
export function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.on('error', () => resolve(false))
    socket.on('connect', () => {
      socket.destroy()
      resolve(true)
    })
  })
}

/** A server of repositories over HTTP. */
export interface GitWeb {
  url: string
  /** `METHOD PATH?QUERY` of each request. */
  asked: string[]
  /** Authorization headers, one per request. */
  authorizations: (string | undefined)[]
  /** What may decide on a request before git does; true where it was answered. */
  before?: ((req: IncomingMessage, res: ServerResponse) => boolean) | undefined
}

/**
 * Serves every repository below a folder over HTTP until the test ends.
 *
 * @param smart through `git http-backend`; else as plain files
 */
export async function gitWeb(t: TestContext, root: string, smart = true): Promise<GitWeb> {
  const web: GitWeb = { url: '', asked: [], authorizations: [] }
  const server = createServer((req, res) => {
    web.asked.push(`${req.method} ${req.url}`)
    web.authorizations.push(req.headers.authorization)
    if (web.before?.(req, res)) return
    if (smart) backend(root, req, res)
    else plainFile(root, req, res)
  })
  web.url = `http://127.0.0.1:${await listen(t, server)}`
  return web
}

function plainFile(root: string, req: IncomingMessage, res: ServerResponse): void {
  try {
    res.end(readFileSync(join(root, normalize(`/${req.url!.replace(/\?.*/s, '')}`))))
  } catch {
    res.writeHead(404).end()
  }
}

/** @see git-http-backend(1), RFC 3875 */
function backend(root: string, req: IncomingMessage, res: ServerResponse): void {
  const [path, query] = req.url!.split(/\?(.*)/s)
  const cgi = spawn('git', ['http-backend'], {
    env: {
      ...process.env,
      ...AUTHOR,
      GIT_PROJECT_ROOT: root,
      GIT_HTTP_EXPORT_ALL: '1',
      PATH_INFO: path!,
      QUERY_STRING: query ?? '',
      REQUEST_METHOD: req.method!,
      CONTENT_TYPE: req.headers['content-type'] ?? '',
      HTTP_CONTENT_ENCODING: req.headers['content-encoding'] ?? '',
      GIT_PROTOCOL: String(req.headers['git-protocol'] ?? ''),
    },
  })
  req.pipe(cgi.stdin)
  cgi.stdin.on('error', () => {})
  let head = Buffer.alloc(0)
  let begun = false
  cgi.stdout.on('data', (chunk: Buffer) => {
    if (begun) return void res.write(chunk)
    head = Buffer.concat([head, chunk])
    const end = head.indexOf('\r\n\r\n')
    if (end < 0) return
    begun = true
    const lines = head.subarray(0, end).toString().split('\r\n')
    const status = lines.find((l) => /^status:/i.test(l))
    for (const line of lines.filter((l) => l !== status)) {
      const [name, value] = line.split(/:\s*(.*)/s)
      res.setHeader(name!, value ?? '')
    }
    res.statusCode = Number(/\d+/.exec(status ?? '200')![0])
    res.write(head.subarray(end + 4))
  })
  cgi.on('close', () => res.end())
}
