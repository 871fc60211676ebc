import type { BuildOutput } from '../../engine/api.js'
import type { UsageError } from '../usage-error.js'
import { csvFields, wrong } from './build-options.js'

const TYPES = ['image', 'docker', 'oci', 'local', 'tar', 'cacheonly'] as const
const IMAGES: readonly string[] = ['image', 'docker', 'oci']
/** Attributes of BuildKit's exporters that are not honoured, unless they ask for what is done anyway. */
const FIXED: Readonly<Record<string, readonly string[]>> = {
  compression: ['uncompressed'],
  'force-compression': ['false'],
  'oci-mediatypes': ['true'],
  'platform-split': ['false'],
  'prefer-nondist-layers': ['false'],
  push: ['false'],
  'push-by-digest': ['false'],
  'rewrite-timestamp': ['false'],
  store: ['true'],
  unpack: ['false'],
}

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

function parseOutput(text: string, resolve: (path: string) => string, terminal: boolean): BuildOutput {
  const refuse = (reason: string): UsageError => wrong('output', text, reason)
  const fields = fieldsOf(text, refuse)
  const type = TYPES.find((t) => t === fields.get('type'))
  if (fields.get('type') === 'registry') throw refuse('tsbox does not talk to registries yet')
  if (!type) throw refuse(fields.has('type') ? `unknown type; there are ${TYPES.join(', ')}` : 'type is required')
  for (const [key, value] of fields) checkField(type, key, value, refuse)
  const tar = fields.get('tar') !== 'false'
  const dest = destOf(type, tar, fields.get('dest'), refuse)
  if (dest === '-' && terminal) throw refuse('it would go to the terminal: give dest=FILE, or redirect the output')
  const names = (fields.get('name') ?? '').split(',').filter(Boolean)
  return { type, tar, names, dest: dest === undefined || dest === '-' ? dest : resolve(dest) }
}

/** `FOLDER` and `-` are short forms. */
function fieldsOf(text: string, refuse: (reason: string) => UsageError): Map<string, string> {
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
  const fields = new Map<string, string>()
  for (const [key, value] of pairs) {
    if (value === undefined) throw refuse(`field "${key}" must be key=value`)
    fields.set(key === 'destination' ? 'dest' : key, value)
  }
  return fields
}

function checkField(type: string, key: string, value: string, refuse: (reason: string) => UsageError): void {
  if (key === 'type' || (key === 'dest' && type !== 'image' && type !== 'cacheonly')) return
  if (key === 'name' && IMAGES.includes(type)) return
  if (key === 'tar' && (type === 'oci' || type === 'docker')) {
    if (value === 'true' || value === 'false') return
    throw refuse('tar is true or false')
  }
  if (FIXED[key]?.includes(value)) return
  if (key === 'push') throw refuse('tsbox does not talk to registries yet')
  if (key in FIXED || key.startsWith('annotation') || key === 'compression-level')
    throw refuse(`${key}=${value} is not supported yet`)
  throw refuse(`unknown attribute "${key}" of type ${type}`)
}

function destOf(
  type: BuildOutput['type'],
  tar: boolean,
  dest: string | undefined,
  refuse: (reason: string) => UsageError,
): string | undefined {
  if (type === 'image' || type === 'cacheonly') return undefined
  if (type === 'docker' && tar) return dest
  const folder = type === 'local' || !tar
  if (folder && (dest === undefined || dest === '' || dest === '-')) throw refuse('dest=FOLDER is required')
  return dest === undefined || dest === '' ? '-' : dest
}
