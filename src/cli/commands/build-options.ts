import { statSync } from 'node:fs'
import { TsboxError } from '../../base/error.js'
import { remoteKind } from '../../base/url.js'
import { UsageError } from '../usage-error.js'

type Resolve = (path: string) => string

export function wrong(option: string, value: string, reason: string): UsageError {
  return new UsageError(`invalid argument "${value}" for "--${option}" flag: ${reason}`)
}

/** Names of the image; docker gives `-t a -t b`, and an empty name is a mistake of a script. */
export function parseTags(tags: readonly string[]): string[] {
  for (const tag of tags) if (tag.trim() === '') throw wrong('tag', tag, 'empty name')
  return [...tags]
}

/** `K=V` pairs, the last of a name counts. @param absent what stands for `K` alone */
export function parseKeyValue<T>(pairs: readonly string[], absent: (key: string) => T): Record<string, string | T> {
  const out: Record<string, string | T> = {}
  for (const pair of pairs) {
    const [key, value] = pair.split(/=(.*)/s) as [string, string | undefined]
    if (key === '') throw new UsageError(`invalid argument "${pair}": a name must stand before "="`)
    out[key] = value ?? absent(key)
  }
  return out
}

/** What runs the steps; the environment is asked where the option is not given. */
export function parseBackend(given: 'auto' | 'namespace' | 'wasi' | undefined, env: string | undefined) {
  if (given) return given
  if (env === undefined || env === '' || env === 'auto') return 'auto'
  if (env === 'namespace' || env === 'wasi') return env
  throw new TsboxError('E_BACKEND', `cannot choose what runs the steps: TSBOX_BACKEND is "${env}"`, {
    hint: 'set it to auto, namespace or wasi',
  })
}

/** Cells of docker's CSV options, quotes undone: `a=b,c="d,e"`. */
export function csvCells(text: string): string[] {
  const cells = text.match(/(?:"(?:[^"]|"")*"|[^,])+|(?<=,)(?=,|$)/g) ?? []
  return cells.map((cell) => (/^".*"$/s.test(cell) ? cell.slice(1, -1).replaceAll('""', '"') : cell))
}

/** Fields `a=b,c="d,e"` as docker's CSV options have them. */
export function csvFields(text: string): [string, string | undefined][] {
  return csvCells(text).map((cell) => {
    const [key, value] = cell.split(/=(.*)/s) as [string, string | undefined]
    // Keys of annotations are theirs, as they are written.
    return [key.startsWith('annotation') ? key : key.toLowerCase(), value]
  })
}

/** `id=X[,type=file|env][,src=F|,env=E]`; with neither source, a variable or else a file named as the id. */
export function parseSecret(
  text: string,
  env: Readonly<Record<string, string | undefined>>,
  resolve: Resolve,
): [id: string, source: { file?: string; env?: string }] {
  const fields = new Map<string, string>()
  for (const [key, value] of csvFields(text)) {
    const name = key === 'source' ? 'src' : key
    if (value === undefined) throw wrong('secret', text, `field "${key}" must be key=value`)
    if (!['id', 'type', 'src', 'env'].includes(name)) throw wrong('secret', text, `unexpected key "${key}"`)
    fields.set(name, value)
  }
  const id = fields.get('id')
  const type = fields.get('type')
  if (!id) throw wrong('secret', text, 'id is required')
  if (type !== undefined && type !== 'file' && type !== 'env') throw wrong('secret', text, `unsupported type "${type}"`)
  const source = fields.get('src')
  const variable = fields.get('env') ?? (type === 'env' ? (source ?? id) : undefined)
  if (variable !== undefined) return [id, { env: variable }]
  if (source === undefined && type === undefined && env[id] !== undefined) return [id, { env: id }]
  return [id, { file: existingFile(resolve(source ?? id), id) }]
}

function existingFile(path: string, id: string): string {
  try {
    if (statSync(path).isFile()) return path
  } catch {
    // Told below, together with what is no file.
  }
  throw new TsboxError('E_SECRET', `cannot read secret "${id}": no file "${path}"`, {
    hint: 'give src=FILE or env=VARIABLE',
  })
}

/**
 * `NAME=SOURCE`: a folder (made absolute), `docker-image://IMAGE`, `oci-layout://FOLDER[:TAG|@DIGEST]` (made absolute),
 * `target:STAGE`, the URL of a tar, or a git repository.
 */
export function parseNamedContext(text: string, resolve: Resolve): [name: string, source: string] {
  const [name, value] = text.split(/=(.*)/s) as [string, string | undefined]
  if (!name || !value) throw wrong('build-context', text, 'expected NAME=SOURCE')
  const [, layout] = /^oci-layout:\/\/(.+)$/s.exec(value) ?? []
  if (layout !== undefined) return [name, `oci-layout://${resolve(layout)}`]
  if (/^docker-image:\/\/.|^target:./.test(value)) return [name, value]
  const remote = remoteAddress(value, resolve)
  if (remote !== undefined) return [name, remote]
  const scheme = /^([a-z-]+):\/\//.exec(value)?.[1]
  if (scheme) throw wrong('build-context', text, `contexts from ${scheme} are not supported`)
  const folder = resolve(value)
  if (!isFolder(folder)) throw new TsboxError('E_CONTEXT', `cannot use context "${name}": no folder "${value}"`)
  return [name, folder]
}

/**
 * The address of a context that is not on this machine. `github.com/…` is one where no folder has that name, as with
 * docker.
 */
export function remoteAddress(path: string, resolve: Resolve): string | undefined {
  if (remoteKind(path)) return path
  if (!path.startsWith('github.com/') || isFolder(resolve(path))) return undefined
  return `https://${path.replace(/^[^?#]*/, (repository) => repository.replace(/\/*(?:\.git)?$/, '.git'))}`
}

/** True for a folder that can be looked at. */
export function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory()
  } catch {
    return false
  }
}

/** `HOST:IP` or `HOST=IP`, an IPv6 address plain or in brackets. */
export function parseAddHost(text: string): { name: string; address: string } {
  const at = text.includes('=') ? text.indexOf('=') : text.indexOf(':')
  const name = text.slice(0, Math.max(at, 0))
  const address = text.slice(at + 1).replace(/^\[(.*)\]$/, '$1')
  if (!name) throw wrong('add-host', text, 'expected HOST:IP')
  if (address === 'host-gateway') throw wrong('add-host', text, 'steps have the network of the host, use 127.0.0.1')
  // Loaded here only: net costs 2 ms, and few builds name a host.
  if (!process.getBuiltinModule('node:net').isIP(address))
    throw wrong('add-host', text, `invalid IP address "${address}"`)
  return { name, address }
}
