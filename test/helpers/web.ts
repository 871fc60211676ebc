import { createServer, type IncomingHttpHeaders, type RequestListener, type Server } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import type { Cli, Ran, RunOptions } from './cli.js'

/** A file that a test's server gives. */
export interface WebFile {
  body: string | Uint8Array
  status?: number | undefined
  headers?: Readonly<Record<string, string>> | undefined
}

/** A server on loopback; it goes with the test. */
export interface Web {
  /** `http://127.0.0.1:PORT` */
  url: string
  /** What it gives, by path with query; may be changed at any time. */
  files: Map<string, WebFile>
  /** What it was asked. */
  asked: { path: string; headers: IncomingHttpHeaders; status: number }[]
}

/** Serves files with ETag and Last-Modified answered as HTTP has it. @param tls key and certificate for HTTPS */
export async function serve(
  t: TestContext,
  files: Readonly<Record<string, WebFile | string>>,
  tls?: { key: string; cert: string },
): Promise<Web> {
  const web: Web = { url: '', files: new Map(), asked: [] }
  for (const [path, file] of Object.entries(files))
    web.files.set(path, typeof file === 'string' ? { body: file } : file)
  const listener: RequestListener = (req, res) => {
    const path = req.url ?? ''
    const file = web.files.get(path)
    const { etag, 'last-modified': modified } = file?.headers ?? {}
    const same =
      (etag !== undefined && req.headers['if-none-match'] === etag) ||
      (modified !== undefined && req.headers['if-modified-since'] === modified)
    const status = file ? (same ? 304 : (file.status ?? 200)) : 404
    web.asked.push({ path, headers: req.headers, status })
    res.writeHead(status, file?.headers)
    res.end(status === 304 ? undefined : file?.body)
  }
  const server = tls ? createSecureServer(tls, listener) : createServer(listener)
  web.url = `${tls ? 'https' : 'http'}://127.0.0.1:${await listen(t, server)}`
  return web
}

/** Listens on a free port of loopback until the test ends. */
export async function listen(t: TestContext, server: Pick<Server, 'listen' | 'close' | 'address'>): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()))
  t.after(() => {
    server.close()
    if ('closeAllConnections' in server) (server as Server).closeAllConnections()
  })
  return (server.address() as AddressInfo).port
}

/** Runs a command while this process serves: `Cli.run` would stop its servers until the command ends. */
export async function runAside(
  cli: Cli,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Ran & { log: string }> {
  const running = cli.start(args, options)
  running.child.stdin?.on('error', () => {})
  running.child.stdin?.end(options.input ?? '')
  const ran = await running.ended
  return { ...ran, log: ran.stdout + ran.stderr }
}

/** As {@link runAside}, for a build that must succeed. */
export async function buildAside(
  cli: Cli,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Ran & { log: string }> {
  const ran = await runAside(cli, ['build', '--progress', 'plain', ...args], options)
  if (ran.code !== 0) throw new Error(`tsbox build ${args.join(' ')} ended with ${ran.code}:\n${ran.log}`)
  return ran
}
