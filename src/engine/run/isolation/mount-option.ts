import { isAbsolute } from 'node:path'
import { TsboxError } from '../../../base/error.js'
import { cleanPath } from '../../../base/path.js'
import { isVolumeName, propagationOf, type VolumeSpec } from '../volumes.js'
import { csvFields } from './csv.js'
import { type TmpfsMount, tmpfsMode, tmpfsSize } from './tmpfs.js'

/** An image of the store, to be seen at a place. */
export interface ImageMount {
  reference: string
  /** Folder or file of the image. */
  sub: string
  target: string
}

/** What `--mount` asks for. */
export type MountRequest =
  | { type: 'volume'; volume: VolumeSpec }
  | { type: 'tmpfs'; tmpfs: TmpfsMount }
  | { type: 'image'; image: ImageMount }

const TYPES = ['bind', 'volume', 'tmpfs', 'image'] as const
type MountType = (typeof TYPES)[number]

/** Keys of docker's, by the types that have them; `''` is every type. */
const KEYS: Readonly<Record<string, MountType | ''>> = {
  type: '',
  source: '',
  target: '',
  readonly: '',
  consistency: '',
  'bind-propagation': 'bind',
  'bind-nonrecursive': 'bind',
  'bind-recursive': 'bind',
  'bind-create-src': 'bind',
  'volume-nocopy': 'volume',
  'volume-subpath': 'volume',
  'tmpfs-size': 'tmpfs',
  'tmpfs-mode': 'tmpfs',
  'image-subpath': 'image',
}
const SYNONYMS: Readonly<Record<string, string>> = {
  src: 'source',
  dst: 'target',
  destination: 'target',
  ro: 'readonly',
}
const REFUSED: Readonly<Record<string, string>> = {
  'volume-driver': 'there are no volume drivers',
  'volume-opt': 'there are no volume drivers',
  'volume-label': 'volumes have no labels',
  'tmpfs-options': 'use --tmpfs PATH:OPTIONS',
}

/** Reads one `--mount`. @param cwd folder for relative sources @throws TsboxError E_MOUNT, exit code 125 */
export function parseMount(text: string, cwd: string): MountRequest {
  const fields = csvFields(text)
  if (!fields) throw wrong(text, 'a quote is not closed')
  const keys = readKeys(text, fields)
  const type = (keys.get('type') ?? 'volume') as MountType
  if (!TYPES.includes(type)) throw wrong(text, `type is not known here: "${type}", one of ${TYPES.join(', ')}`)
  for (const key of keys.keys())
    if (KEYS[key] !== '' && KEYS[key] !== type) throw wrong(text, `${key} is not for type ${type}`)
  const target = keys.get('target') ?? ''
  if (!isAbsolute(target)) throw wrong(text, target ? `target is not absolute: "${target}"` : 'target is missing')
  if (cleanPath(target) === '/') throw wrong(text, "target can't be /")
  const given: Given = { text, keys, cwd, target: cleanPath(target), readonly: flag(text, keys, 'readonly') }
  return MAKE[type](given)
}

interface Given {
  text: string
  keys: ReadonlyMap<string, string>
  cwd: string
  target: string
  readonly: boolean
}

const MAKE: Readonly<Record<MountType, (given: Given) => MountRequest>> = {
  bind({ text, keys, cwd, target, readonly }) {
    const source = keys.get('source')
    if (!source) throw wrong(text, 'source is missing')
    const propagation = keys.get('bind-propagation')
    const recursive = keys.get('bind-recursive') ?? 'enabled'
    if (recursive === 'writable') throw wrong(text, 'read-only means what is mounted below, too')
    if (!['enabled', 'disabled', 'readonly'].includes(recursive))
      throw wrong(text, `bind-recursive is one of enabled, disabled, readonly: "${recursive}"`)
    const volume: VolumeSpec = {
      kind: 'path',
      source: isAbsolute(source) ? source : cleanPath(`${cwd}/${source}`),
      target,
      readonly,
      mustExist: !flag(text, keys, 'bind-create-src'),
      recursive: recursive !== 'disabled' && !flag(text, keys, 'bind-nonrecursive'),
      follows: propagation !== undefined && propagationOf(propagation, (why) => wrong(text, why)),
    }
    return { type: 'volume', volume }
  },
  volume({ text, keys, target, readonly }) {
    const source = keys.get('source') ?? ''
    if (source !== '' && !isVolumeName(source)) throw wrong(text, `it is no name of a volume: "${source}"`)
    const volume: VolumeSpec = {
      kind: source === '' ? 'anonymous' : 'named',
      source,
      target,
      readonly,
      noCopy: flag(text, keys, 'volume-nocopy'),
      sub: below(text, keys, 'volume-subpath'),
    }
    return { type: 'volume', volume }
  },
  tmpfs({ text, keys, target, readonly }) {
    if (keys.has('source')) throw wrong(text, 'a tmpfs has no source')
    const size = keys.get('tmpfs-size')
    const mode = keys.get('tmpfs-mode')
    const op: TmpfsMount['op'] = { op: 'tmpfs', target, noexec: true }
    if (size !== undefined) op.sizeBytes = tmpfsSize(size, (why) => wrong(text, why))
    if (mode !== undefined) op.mode = tmpfsMode(mode, (why) => wrong(text, why))
    return { type: 'tmpfs', tmpfs: { op, readonly } }
  },
  image({ text, keys, target }) {
    const reference = keys.get('source')
    if (!reference) throw wrong(text, 'source is missing: the name of an image')
    return { type: 'image', image: { reference, sub: below(text, keys, 'image-subpath') ?? '', target } }
  },
}

function readKeys(text: string, fields: readonly string[]): Map<string, string> {
  const keys = new Map<string, string>()
  for (const field of fields) {
    const at = field.indexOf('=')
    const name = (at < 0 ? field : field.slice(0, at)).toLowerCase()
    const key = (Object.hasOwn(SYNONYMS, name) && SYNONYMS[name]) || name
    if (Object.hasOwn(REFUSED, key)) throw wrong(text, `cannot honour ${key}: ${REFUSED[key]}`)
    if (!Object.hasOwn(KEYS, key)) throw wrong(text, `the key is not known: "${name}"`)
    if (at < 0 && !['readonly', 'bind-nonrecursive', 'volume-nocopy', 'bind-create-src'].includes(key))
      throw wrong(text, `it is not KEY=VALUE: "${field}"`)
    keys.set(key, at < 0 ? 'true' : field.slice(at + 1))
  }
  return keys
}

function flag(text: string, keys: ReadonlyMap<string, string>, key: string): boolean {
  const value = keys.get(key) ?? 'false'
  if (/^(1|true)$/i.test(value)) return true
  if (/^(0|false)$/i.test(value)) return false
  throw wrong(text, `${key} is neither true nor false: "${value}"`)
}

/** A relative path; the helper resolves it without leaving the source. */
function below(text: string, keys: ReadonlyMap<string, string>, key: string): string | undefined {
  const path = keys.get(key)
  if (path === undefined) return undefined
  if (isAbsolute(path) || path.split('/').includes('..')) throw wrong(text, `${key} leads out of the source: "${path}"`)
  return path
}

function wrong(text: string, why: string): TsboxError {
  return new TsboxError('E_MOUNT', `invalid --mount "${text}": ${why}`, {
    exitCode: 125,
    hint: 'for example --mount type=bind,source="$PWD",target=/src,readonly',
  })
}
