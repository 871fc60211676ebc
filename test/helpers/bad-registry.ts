import { createHash, randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { TestContext } from 'node:test'
import { gzipSync } from 'node:zlib'
import { MEDIA } from '../../src/oci/media-type.js'
import { tarOf } from './layers.js'
import { listen } from './web.js'

/** A request that a registry got, as far as tests ask. */
export interface Asked {
  method: string
  /** With query. */
  path: string
  authorization: string | undefined
  range: string | undefined
  contentRange: string | undefined
}

/** Answers in place of the registry; undefined lets it answer. */
export type Fault = (asked: Asked, res: ServerResponse, nth: number) => boolean | undefined

/** A registry that does what it should, but where a test says otherwise. */
export class BadRegistry {
  host = ''
  readonly blobs = new Map<string, Buffer>()
  /** By `path:reference`. */
  readonly manifests = new Map<string, { bytes: Buffer; type: string }>()
  readonly asked: Asked[] = []
  /** Asked for each request; true where it has answered. */
  fault: Fault = () => undefined
  /** Tokens that it takes now; undefined: it asks for none. */
  tokens: Set<string> | undefined
  /** Users of its realm: `name:password`. */
  users = new Set<string>()
  /** After so many bytes of an upload its connection is broken, once. */
  breakAfter: number | undefined
  readonly #uploads = new Map<string, { chunks: Buffer[]; size: number }>()
  #count = 0

  /** Listens until the test ends. */
  static async start(t: TestContext): Promise<BadRegistry> {
    const registry = new BadRegistry()
    const server = createServer((req, res) => {
      registry.#answer(req, res).catch(() => res.destroy())
    })
    registry.host = `localhost:${await listen(t, server)}`
    return registry
  }

  /** Requests that match. */
  count(pattern: RegExp): number {
    return this.asked.filter((a) => pattern.test(`${a.method} ${a.path}`)).length
  }

  put(bytes: Buffer): { digest: string; size: number } {
    const digest = sha256(bytes)
    this.blobs.set(digest, bytes)
    return { digest, size: bytes.length }
  }

  putManifest(name: string, document: unknown, type: string): string {
    const bytes = Buffer.isBuffer(document) ? document : Buffer.from(JSON.stringify(document))
    const digest = sha256(bytes)
    const path = name.slice(0, name.lastIndexOf(':'))
    this.manifests.set(name, { bytes, type })
    this.manifests.set(`${path}:${digest}`, { bytes, type })
    return digest
  }

  /** An image of some files, one layer each, with content that gzip can't make small. */
  putImage(name: string, layerBytes: readonly number[], change: Record<string, unknown> = {}) {
    const layers = layerBytes.map((size, i) => {
      const tar = tarOf([{ path: `file${i}`, content: randomBytes(size) }])
      return { tar, ...this.put(gzipSync(tar, { level: 0 })), mediaType: MEDIA.layerGzip as string }
    })
    const rootfs = { type: 'layers', diff_ids: layers.map((l) => sha256(l.tar)) }
    const config = this.put(Buffer.from(JSON.stringify({ architecture: 'amd64', os: 'linux', rootfs })))
    const manifest = {
      schemaVersion: 2,
      mediaType: MEDIA.manifest,
      config: { mediaType: MEDIA.config, ...config },
      layers: layers.map(({ mediaType, digest, size }) => ({ mediaType, digest, size })),
      ...change,
    }
    const digest = this.putManifest(name, manifest, MEDIA.manifest)
    return { digest, config: config.digest, layers: layers.map((l) => l.digest), manifest }
  }

  async #answer(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const { authorization, range, 'content-range': contentRange } = req.headers
    const asked: Asked = { method: req.method!, path: req.url!, authorization, range, contentRange }
    this.asked.push(asked)
    if (this.fault(asked, res, ++this.#count)) {
      req.resume()
      return
    }
    const url = new URL(req.url!, `http://${this.host}`)
    if (url.pathname === '/token') return this.#token(asked, res)
    if (this.tokens && !this.tokens.has((authorization ?? '').replace('Bearer ', ''))) {
      const challenge = `Bearer realm="http://${this.host}/token",service="bad"`
      req.resume()
      res.writeHead(401, { 'www-authenticate': challenge }).end()
      return
    }
    await this.#serve(req, url, res)
  }

  #token({ authorization }: Asked, res: ServerResponse): void {
    const user = Buffer.from((authorization ?? '').replace('Basic ', ''), 'base64').toString()
    if (this.users.size > 0 && !this.users.has(user)) {
      res.writeHead(401).end('{"errors":[{"code":"UNAUTHORIZED","message":"who are you"}]}')
      return
    }
    const token = randomBytes(8).toString('hex')
    this.tokens?.add(token)
    res.end(JSON.stringify({ token, expires_in: 300 }))
  }

  async #serve(req: IncomingMessage, url: URL, res: ServerResponse): Promise<void> {
    const [, path, kind, rest] = /^\/v2\/(.*)\/(manifests|blobs)\/(.*)$/.exec(url.pathname) ?? []
    if (path === undefined) return void res.end('{}')
    if (kind === 'manifests') return this.#manifest(req, `${path}:${rest}`, res)
    if (rest!.startsWith('uploads/')) return this.#upload(req, url, path, rest!.slice(8), res)
    const blob = this.blobs.get(rest!)
    if (!blob) return void refuse(res, 404, 'BLOB_UNKNOWN')
    const from = Number(/^bytes=(\d+)-$/.exec(req.headers.range ?? '')?.[1] ?? 0)
    const part = blob.subarray(from)
    const contentRange = { 'content-range': `bytes ${from}-${blob.length - 1}/${blob.length}` }
    res.writeHead(from ? 206 : 200, { 'content-length': part.length, ...(from ? contentRange : {}) })
    res.end(req.method === 'HEAD' ? undefined : part)
  }

  async #manifest(req: IncomingMessage, name: string, res: ServerResponse): Promise<void> {
    if (req.method === 'PUT') {
      const digest = this.putManifest(name, await bodyOf(req), req.headers['content-type']!)
      return void res.writeHead(201, { 'docker-content-digest': digest }).end()
    }
    const manifest = this.manifests.get(name)
    if (!manifest) return void refuse(res, 404, 'MANIFEST_UNKNOWN')
    const { bytes, type } = manifest
    res.writeHead(200, { 'content-type': type, 'content-length': bytes.length, 'docker-content-digest': sha256(bytes) })
    res.end(req.method === 'HEAD' ? undefined : bytes)
  }

  async #upload(req: IncomingMessage, url: URL, path: string, id: string, res: ServerResponse): Promise<void> {
    const at = (upload: string) => ({ location: `/v2/${path}/blobs/uploads/${upload}` })
    if (req.method === 'POST') {
      const upload = randomBytes(8).toString('hex')
      this.#uploads.set(upload, { chunks: [], size: 0 })
      return void res.writeHead(202, at(upload)).end()
    }
    const there = this.#uploads.get(id)
    if (!there) return void refuse(res, 404, 'BLOB_UPLOAD_UNKNOWN')
    if (req.method === 'GET')
      return void res.writeHead(204, { ...at(id), range: `0-${Math.max(0, there.size - 1)}` }).end()
    if (req.method === 'DELETE') {
      this.#uploads.delete(id)
      return void res.writeHead(204).end()
    }
    for await (const chunk of req) {
      // What has come stays, also where the rest never does.
      there.chunks.push(chunk as Buffer)
      there.size += (chunk as Buffer).length
      if (there.size <= (this.breakAfter ?? Number.POSITIVE_INFINITY)) continue
      this.breakAfter = undefined
      req.destroy()
      return
    }
    if (req.method === 'PATCH') return void res.writeHead(202, { ...at(id), range: `0-${there.size - 1}` }).end()
    const all = Buffer.concat(there.chunks)
    const digest = url.searchParams.get('digest')!
    if (sha256(all) !== digest) return void refuse(res, 400, 'DIGEST_INVALID')
    this.blobs.set(digest, all)
    this.#uploads.delete(id)
    res.writeHead(201, { 'docker-content-digest': digest }).end()
  }
}

export function refuse(res: ServerResponse, status: number, code = '', headers: Record<string, string> = {}): true {
  res.writeHead(status, headers).end(code ? JSON.stringify({ errors: [{ code, message: 'told by the test' }] }) : '')
  return true
}

export function sha256(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

async function bodyOf(req: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of req) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}
