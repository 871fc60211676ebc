import type { BuildOutput } from '../../engine/api.js'
import type { UsageError } from '../usage-error.js'
import { annotationAttribute } from './build-annotation.js'
import { csvFields, wrong } from './build-options.js'

const TYPES = ['image', 'docker', 'oci', 'local', 'tar', 'cacheonly'] as const
const IMAGES: readonly string[] = ['image', 'docker', 'oci']
const NAMELESS = 'an image without a name is named by its id or digest'
/** Attributes of BuildKit's exporters that are not honoured: the value that asks for what is done anyway, and why. */
const FIXED: Readonly<Record<string, readonly [accepted: string, reason: string]>> = {
  'dangling-name-prefix': ['', NAMELESS],
  'name-canonical': ['false', NAMELESS],
  'platform-split': ['false', 'there is one platform'],
  'prefer-nondist-layers': ['false', 'all layers are distributable'],
}
/** Highest levels; the lowest is 0, which for zstd is its default as in BuildKit. */
const MAX_LEVEL = { gzip: 9, zstd: 22 } as const

type Refuse = (reason: string) => UsageError
type Fields = Map<string, string>

/**
 * Reads all `--output`, and `--load`, which is one more.
 *
 * @throws {UsageError} for what can't be honoured, and for two outputs to one place
 * @see docker/buildx util/buildflags/export.go
 */
export function parseOutputs(
  texts: readonly string[],
  load: boolean,
  resolve: (path: string) => string,
  terminal: boolean,
): BuildOutput[] {
  const outputs = texts.map((text) => parseOutput(text, resolve, terminal))
  const taken = new Set<string>()
  for (const [i, { dest }] of outputs.entries()) {
    if (dest === undefined) continue
    if (taken.has(dest)) throw wrong('output', texts[i]!, 'another output goes there too')
    taken.add(dest)
  }
  return load && outputs.length ? [...outputs, { type: 'image', tar: true, names: [] }] : outputs
}

/** Whether an output has a manifest to annotate. */
export function isImageOutput({ type }: BuildOutput): boolean {
  return IMAGES.includes(type)
}

function parseOutput(text: string, resolve: (path: string) => string, terminal: boolean): BuildOutput {
  const refuse = (reason: string): UsageError => wrong('output', text, reason)
  const fields = fieldsOf(text, refuse)
  const registry = fields.get('type') === 'registry'
  // As in BuildKit it is an image that is pushed, and kept nowhere else.
  if (registry) for (const [key, value] of REGISTRY_MEANS) if (!fields.has(key)) fields.set(key, value)
  const type = registry ? 'image' : TYPES.find((t) => t === fields.get('type'))
  if (!type) throw refuse(fields.has('type') ? `unknown type; there are ${TYPES.join(', ')}` : 'type is required')
  for (const [key, value] of fields) checkField(type, key, value, refuse)
  const tar = flagOf(fields, 'tar', refuse) ?? true
  const dest = destOf(type, tar, fields.get('dest'), refuse)
  if (dest === '-' && terminal) throw refuse('it would go to the terminal: give dest=FILE, or redirect the output')
  const names = (fields.get('name') ?? '').split(',').filter(Boolean)
  const resolved = dest === undefined || dest === '-' ? dest : resolve(dest)
  return { type, tar, names, dest: resolved, ...formOf(fields, refuse) }
}

/** `FOLDER` and `-` are short forms. */
function fieldsOf(text: string, refuse: Refuse): Fields {
  if (text === '-')
    return new Map([
      ['type', 'tar'],
      ['dest', '-'],
    ])
  const pairs = csvFields(text)
  if (pairs.length === 1 && pairs[0]![1] === undefined && text !== '')
    return new Map([
      ['type', 'local'],
      ['dest', text],
    ])
  const fields: Fields = new Map()
  for (const [key, value] of pairs) {
    if (value === undefined) throw refuse(`field "${key}" must be key=value`)
    fields.set(key === 'destination' ? 'dest' : key, value)
  }
  return fields
}

/** Attributes of images; `unpack` and `store` are those of the store's. */
const OF_IMAGES = [
  'compression',
  'compression-level',
  'force-compression',
  'oci-mediatypes',
  'rewrite-timestamp',
  'name',
]
const OF_STORE = ['unpack', 'store', 'push', 'push-by-digest', 'registry.insecure']
const REGISTRY_MEANS = [
  ['push', 'true'],
  ['store', 'false'],
] as const

function checkField(type: BuildOutput['type'], key: string, value: string, refuse: Refuse): void {
  if (key === 'type' || (key === 'dest' && type !== 'image' && type !== 'cacheonly')) return
  if (IMAGES.includes(type) && (OF_IMAGES.includes(key) || annotationAttribute(key, value, refuse))) return
  if (type === 'image' && OF_STORE.includes(key)) return
  if (key === 'tar' && (type === 'oci' || type === 'docker')) return
  const [accepted, reason] = (Object.hasOwn(FIXED, key) && FIXED[key]) || []
  if (reason !== undefined && value === accepted) return
  if (reason !== undefined) throw refuse(`${key}=${value} can't be honoured: ${reason}`)
  throw refuse(`unknown attribute "${key}" of type ${type}`)
}

/** In what form the image is wanted; nothing of it where nothing is asked for. */
function formOf(fields: Fields, refuse: Refuse): Partial<BuildOutput> {
  const out: Partial<BuildOutput> = {}
  const compression = compressionOf(fields, refuse)
  if (compression) out.compression = compression
  if (flagOf(fields, 'rewrite-timestamp', refuse)) out.rewriteTimestamp = true
  if (flagOf(fields, 'unpack', refuse)) out.unpack = true
  if (flagOf(fields, 'store', refuse) === false) out.store = false
  const push = pushOf(fields, refuse)
  if (push) out.push = push
  const annotations = [...fields].flatMap(([key, value]) => annotationAttribute(key, value, refuse) ?? [])
  if (annotations.length) out.annotations = annotations
  if (flagOf(fields, 'oci-mediatypes', refuse) === false) {
    if (annotations.length) throw refuse("docker's manifests have no annotations: leave out oci-mediatypes=false")
    out.mediaTypes = 'docker'
  }
  if (out.unpack && out.store === false) throw refuse('unpack=true needs an image in the store')
  return out
}

function pushOf(fields: Fields, refuse: Refuse): BuildOutput['push'] {
  const byDigest = flagOf(fields, 'push-by-digest', refuse)
  const insecure = flagOf(fields, 'registry.insecure', refuse)
  if (flagOf(fields, 'push', refuse)) return { byDigest: byDigest ?? false, insecure }
  if (byDigest || insecure) throw refuse('give push=true with it, or type=registry')
  return undefined
}

function compressionOf(fields: Fields, refuse: Refuse): BuildOutput['compression'] {
  const kind = fields.get('compression')
  const level = fields.get('compression-level')
  const force = flagOf(fields, 'force-compression', refuse) ?? false
  if (kind === undefined) {
    if (level !== undefined || force) throw refuse('give compression=gzip, zstd or uncompressed with it')
    return undefined
  }
  if (kind === 'estargz') throw refuse('estargz layers are not written: use gzip or zstd')
  if (kind === 'uncompressed') {
    if (level !== undefined) throw refuse('what is not compressed has no compression-level')
    return { kind, force }
  }
  if (kind !== 'gzip' && kind !== 'zstd') throw refuse(`unknown compression "${kind}": gzip, zstd or uncompressed`)
  return { kind, level: levelOf(kind, level, refuse), force }
}

/** A compression level; undefined for the usual one. @throws {UsageError} */
export function levelOf(kind: 'gzip' | 'zstd', text: string | undefined, refuse: Refuse): number | undefined {
  if (text === undefined) return undefined
  const level = /^\d{1,2}$/.test(text) ? Number(text) : Number.NaN
  if (!(level <= MAX_LEVEL[kind]))
    throw refuse(`compression-level of ${kind} is a number from 0 to ${MAX_LEVEL[kind]}, not "${text}"`)
  return kind === 'zstd' && level === 0 ? undefined : level
}

/** A boolean as Go reads it; undefined where it is not given. */
function flagOf(fields: Fields, key: string, refuse: Refuse): boolean | undefined {
  const value = fields.get(key)
  if (value === undefined) return undefined
  if (/^(1|t|T|true|True|TRUE)$/.test(value)) return true
  if (/^(0|f|F|false|False|FALSE)$/.test(value)) return false
  throw refuse(`${key} is true or false, not "${value}"`)
}

function destOf(type: BuildOutput['type'], tar: boolean, dest: string | undefined, refuse: Refuse): string | undefined {
  if (type === 'image' || type === 'cacheonly') return undefined
  if (type === 'docker' && tar) return dest
  const folder = type === 'local' || !tar
  if (folder && (dest === undefined || dest === '' || dest === '-')) throw refuse('dest=FOLDER is required')
  return dest === undefined || dest === '' ? '-' : dest
}
