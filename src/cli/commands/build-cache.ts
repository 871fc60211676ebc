import { parseSize } from '../../build/dockerfile/size.js'
import type { CacheForm, CacheFrom, CacheTo } from '../../engine/api.js'
import type { UsageError } from '../usage-error.js'
import { csvCells, wrong } from './build-options.js'
import { levelOf } from './build-output.js'

type Resolve = (path: string) => string
type Refuse = (reason: string) => UsageError

/** Kinds of BuildKit's caches that tsbox has no way to talk to. */
const LATER: Readonly<Record<string, string>> = {
  azblob: 'tsbox does not talk to blob stores yet: export to a folder and upload that',
  gha: "tsbox does not talk to GitHub's cache yet: export to a folder and keep that with actions/cache",
  s3: 'tsbox does not talk to S3 yet: export to a folder and upload that',
}
const INSECURE = 'registry.insecure'
const OF_EXPORTS = ['type', 'mode', 'compression', 'compression-level', 'mounts', 'mounts-limit', 'ignore-error']
const DEFAULT_LIMIT_BYTES = 2 * 1024 ** 3
/** Asked for by default anyway, or without a meaning for this kind. */
const FIXED: Readonly<Record<string, readonly string[]>> = {
  'force-compression': ['false'],
  'image-manifest': ['true'],
  'oci-mediatypes': ['true'],
}

/**
 * Reads a `--cache-from`: `type=local,src=DIR[,tag=T|,digest=D]`, `type=registry,ref=IMAGE`, `type=inline,ref=IMAGE` or
 * `,src=PATH`, or the name of an image.
 *
 * @throws {UsageError}
 * @see docker/buildx util/buildflags/cache.go
 */
export function parseCacheFrom(text: string, resolve: Resolve): CacheFrom {
  const refuse: Refuse = (reason) => wrong('cache-from', text, reason)
  const fields = fieldsOf(text, refuse)
  if (!fields) return imageSource(text, resolve)
  const type = typeOf(fields, ['local', 'inline', 'registry'], refuse)
  if (type === 'registry') return registrySource(fields, refuse)
  const allowed = type === 'local' ? ['type', 'src', 'tag', 'digest'] : ['type', 'ref', 'src', 'tag', 'digest']
  for (const key of fields.keys())
    if (!allowed.includes(key)) throw refuse(`unknown attribute "${key}" of type ${type}`)
  const ref = fields.get('ref')
  const src = fields.get('src')
  if (type === 'inline' && ref !== undefined && src === undefined) return imageSource(ref, resolve)
  if (!src || ref !== undefined)
    throw refuse(type === 'local' ? 'src=DIR is required' : 'ref=IMAGE or src=PATH is required')
  const digest = fields.get('digest')
  if (digest !== undefined && !/^sha256:[0-9a-f]{64}$/.test(digest))
    throw refuse('digest is not sha256:… with 64 digits')
  return { type: 'local', src: resolve(src), tag: fields.get('tag'), digest }
}

function registrySource(fields: Map<string, string>, refuse: Refuse): CacheFrom {
  for (const key of fields.keys())
    if (!['type', 'ref', INSECURE].includes(key)) throw refuse(`unknown attribute "${key}" of type registry`)
  return { type: 'registry', ...registryOf(fields, refuse) }
}

function registryOf(fields: Map<string, string>, refuse: Refuse): { ref: string; insecure?: boolean } {
  const ref = fields.get('ref')
  if (!ref) throw refuse('ref=IMAGE is required')
  const insecure = oneOf(fields, INSECURE, ['true', 'false'] as const, 'false', refuse) === 'true'
  return insecure ? { ref, insecure } : { ref }
}

function imageSource(reference: string, resolve: Resolve): CacheFrom {
  const layout = /^oci-layout:\/\/(.*?)(?::(\w[\w.-]*))?(?:@(sha256:[0-9a-f]{64}))?$/s.exec(reference)
  if (!layout) return { type: 'image', reference }
  return { type: 'local', src: resolve(layout[1]!), tag: layout[2], digest: layout[3] }
}

/**
 * Reads a `--cache-to`: `type=local,dest=DIR[,tag=T]` or `type=registry,ref=IMAGE`, with `[,mode=min|max]
 * [,compression=gzip|zstd|uncompressed][,compression-level=N][,mounts=true|false|ID,…][,mounts-limit=SIZE]
 * [,ignore-error=BOOL]`; or `type=inline`.
 *
 * @throws {UsageError}
 */
export function parseCacheTo(text: string, resolve: Resolve): CacheTo {
  const refuse: Refuse = (reason) => wrong('cache-to', text, reason)
  const fields = fieldsOf(text, refuse, 'mounts')
  if (!fields) throw refuse('write it as type=local,dest=DIR or type=registry,ref=IMAGE')
  const type = typeOf(fields, ['local', 'inline', 'registry'], refuse)
  if (type === 'inline') {
    for (const [key, value] of fields)
      if (key !== 'type' && !(key === 'mode' && value === 'min')) throw refuse(`type=inline has no ${key}=${value}`)
    return { type }
  }
  const known = type === 'local' ? [...OF_EXPORTS, 'dest', 'tag'] : [...OF_EXPORTS, 'ref', INSECURE]
  for (const [key, value] of fields)
    if (!known.includes(key) && !FIXED[key]?.includes(value))
      throw refuse(key in FIXED ? `${key}=${value} is not supported` : `unknown attribute "${key}" of type ${type}`)
  if (type === 'registry') return { type, ...registryOf(fields, refuse), ...formOf(fields, refuse) }
  const dest = fields.get('dest')
  if (!dest) throw refuse('dest=DIR is required')
  const tag = fields.get('tag') ?? 'latest'
  if (!/^\w[\w.-]{0,127}$/.test(tag)) throw refuse(`invalid tag "${tag}"`)
  return { type, dest: resolve(dest), tag, ...formOf(fields, refuse) }
}

/** What all exports have in common. */
function formOf(fields: Map<string, string>, refuse: Refuse): CacheForm {
  const mode = oneOf(fields, 'mode', ['min', 'max'] as const, 'min', refuse)
  const compression = oneOf(fields, 'compression', ['gzip', 'zstd', 'uncompressed'] as const, 'gzip', refuse)
  const level = fields.get('compression-level')
  if (level !== undefined && compression === 'uncompressed')
    throw refuse('what is not compressed has no compression-level')
  return {
    mode,
    compression,
    level: compression === 'uncompressed' ? undefined : levelOf(compression, level, refuse),
    mounts: mountsOf(fields.get('mounts'), mode),
    mountsLimitBytes: limitOf(fields.get('mounts-limit'), refuse),
    ignoreError: oneOf(fields, 'ignore-error', ['true', 'false'] as const, 'true', refuse) === 'true',
  }
}

/** Undefined for a plain name. @param open a field whose value may hold commas: cells without `=` belong to it */
function fieldsOf(text: string, refuse: Refuse, open?: string): Map<string, string> | undefined {
  const cells = csvCells(text)
  if (cells.length === 1 && !text.includes('=')) return undefined
  const fields = new Map<string, string>()
  let last = ''
  for (const cell of cells) {
    const [name, value] = cell.split(/=(.*)/s) as [string, string | undefined]
    if (value === undefined) {
      if (last === '' || last !== open) throw refuse(`field "${name}" must be key=value`)
      fields.set(last, `${fields.get(last)},${cell}`)
      continue
    }
    const key = name.toLowerCase()
    last = key === 'source' ? 'src' : key === 'destination' ? 'dest' : key
    fields.set(last, value)
  }
  return fields
}

function typeOf<T extends string>(fields: Map<string, string>, types: readonly T[], refuse: Refuse): T {
  const type = fields.get('type')
  const known = types.find((t) => t === type)
  if (known) return known
  if (type === undefined) throw refuse('type is required')
  throw refuse(LATER[type] ?? `unknown type; there are ${types.join(', ')}`)
}

function oneOf<T extends string>(
  fields: Map<string, string>,
  key: string,
  values: readonly T[],
  initially: T,
  refuse: Refuse,
): T {
  const given = fields.get(key)
  if (given === undefined) return initially
  const known = values.find((v) => v === given)
  if (known) return known
  throw refuse(`${key}=${given} is not supported: ${values.join(' or ')}`)
}

function mountsOf(text: string | undefined, mode: 'min' | 'max'): boolean | string[] {
  if (text === undefined) return mode === 'max'
  if (text === 'true' || text === 'false') return text === 'true'
  return text.split(',').filter(Boolean)
}

function limitOf(text: string | undefined, refuse: Refuse): number {
  if (text === undefined) return DEFAULT_LIMIT_BYTES
  const size = parseSize(text)
  if (size === undefined) throw refuse(`mounts-limit is no size: "${text}"`)
  return size
}
