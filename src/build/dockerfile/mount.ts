import { csvFields } from './csv.js'
import { fault, faultWithGuess } from './fault.js'
import { cut, parseBool, quote } from './go-text.js'
import { parseSize } from './size.js'

const TYPES = ['bind', 'cache', 'tmpfs', 'secret', 'ssh'] as const
const SHARING = ['shared', 'private', 'locked'] as const
const KEYS = [
  ...['type', 'from', 'source', 'target', 'readonly', 'id', 'sharing', 'required', 'size', 'mode', 'uid', 'gid'],
  ...['src', 'dst', 'destination', 'ro', 'rw', 'readwrite', 'env'],
]

/** A `--mount` of RUN. */
export interface Mount {
  /** As written. */
  spec: string
  type: (typeof TYPES)[number]
  /** Stage, image or named context; `''` for none. Never expanded. */
  from: string
  /** Path below `from` (or the context); for a secret its id. */
  source: string
  /** `''` where the default applies. */
  target: string
  readOnly: boolean
  /** tmpfs: bytes, 0 for no limit. */
  sizeBytes: number
  /** cache, secret, ssh: the id; `''` where the default applies (cache: the target; secret: base name of the target). */
  id: string
  sharing: (typeof SHARING)[number]
  required: boolean
  /** secret: the variable that holds the value; undefined for none. */
  env: string | undefined
  mode: number | undefined
  uid: number | undefined
  gid: number | undefined
}

type Draft = Omit<Mount, 'readOnly' | 'sharing'> & {
  readOnly: boolean | undefined
  sharing: Mount['sharing'] | undefined
}

function draft(spec: string): Draft {
  return {
    spec,
    type: 'bind',
    from: '',
    source: '',
    target: '',
    readOnly: undefined,
    sizeBytes: 0,
    id: '',
    sharing: undefined,
    required: false,
    env: undefined,
    mode: undefined,
    uid: undefined,
    gid: undefined,
  }
}

/**
 * A mount before its variables are known: only `spec` and `from` mean something.
 *
 * @throws TsboxError E_DOCKERFILE for what no variable can mend
 */
export function unexpandedMount(spec: string): Mount {
  const mount = draft(spec)
  for (const field of csvFields(spec, 'failed to parse csv mounts')) {
    const [key, value, found] = cut(field, '=')
    if (!found || key.toLowerCase() !== 'from') continue
    if (/\$./s.test(value))
      throw fault(
        `'${key.toLowerCase()}' doesn't support variable expansion, define alias stage instead`,
        `write FROM ${value} AS name above, then from=name`,
      )
    mount.from = value
  }
  return { ...mount, readOnly: true, sharing: 'shared' }
}

/**
 * Reads a mount, each value expanded first.
 *
 * @throws TsboxError E_DOCKERFILE for an unknown type, key or value, or keys that don't go together
 * @see Dockerfile reference, "RUN --mount"
 */
export function parseMount(spec: string, expand: (word: string) => string): Mount {
  const mount = draft(spec)
  for (const field of csvFields(spec, 'failed to parse csv mounts')) {
    const [rawKey, rawValue, found] = cut(field, '=')
    const key = rawKey.toLowerCase()
    if (found) setField(mount, key, key === 'from' ? rawValue : expand(rawValue), field)
    else setSwitch(mount, key, field)
  }
  check(mount)
  const writable = mount.type === 'cache' || mount.type === 'tmpfs'
  return { ...mount, readOnly: mount.readOnly ?? !writable, sharing: mount.sharing ?? 'shared' }
}

function setSwitch(mount: Draft, key: string, field: string): void {
  if (key === 'readonly' || key === 'ro') mount.readOnly = true
  else if (key === 'readwrite' || key === 'rw') mount.readOnly = false
  else if (key === 'required') setField(mount, key, 'true', field)
  else throw fault(`invalid field '${field}' must be a key=value pair`, guessPair(key))
}

function guessPair(key: string): string {
  return KEYS.includes(key) ? `write ${key}=…` : 'write for example type=cache,target=/path'
}

function setField(mount: Draft, key: string, value: string, field: string): void {
  switch (key) {
    case 'type':
      mount.type = oneOf('mount type', value, TYPES)
      break
    case 'from':
      mount.from = value
      break
    case 'source':
    case 'src':
      mount.source = value
      break
    case 'target':
    case 'dst':
    case 'destination':
      mount.target = value
      break
    case 'readonly':
    case 'ro':
      mount.readOnly = bool(key, value)
      break
    case 'readwrite':
    case 'rw':
      mount.readOnly = !bool(key, value)
      break
    case 'required':
      only(mount, key, ['secret', 'ssh'])
      mount.required = bool(key, value)
      break
    case 'size':
      only(mount, key, ['tmpfs'])
      mount.sizeBytes = size(value)
      break
    case 'id':
      mount.id = value
      break
    case 'sharing':
      mount.sharing = oneOf('sharing value', value, SHARING)
      break
    case 'mode':
      mount.mode = number(key, value, 8)
      break
    case 'uid':
    case 'gid':
      mount[key] = number(key, value, 10)
      break
    case 'env':
      mount.env = value
      break
    default:
      throw faultWithGuess(`unexpected key '${key}' in '${field}'`, key, KEYS)
  }
}

function oneOf<T extends string>(what: string, value: string, options: readonly T[]): T {
  const found = options.find((o) => o === value.toLowerCase())
  if (found) return found
  throw faultWithGuess(`unsupported ${what} ${quote(value)}`, value, options, { hint: `one of ${options.join(', ')}` })
}

function only(mount: Draft, key: string, types: readonly Mount['type'][]): void {
  if (types.includes(mount.type)) return
  throw fault(
    `unexpected key '${key}' for mount type '${mount.type}'`,
    `${key} is for type=${types.join(' and type=')}; write the type before it`,
  )
}

function bool(key: string, value: string): boolean {
  const on = parseBool(value)
  if (on === undefined) throw fault(`invalid value for ${key}: ${value}`, `write ${key}=true or ${key}=false`)
  return on
}

function size(value: string): number {
  const bytes = parseSize(value)
  if (bytes === undefined) throw fault(`invalid value for size: ${value}`, 'write for example size=64m')
  return bytes
}

function number(key: string, value: string, base: 8 | 10): number {
  const digits = base === 8 ? /^[0-7]+$/ : /^\d+$/
  const out = digits.test(value) ? Number.parseInt(value, base) : Number.NaN
  if (!(out < 2 ** 32))
    throw fault(`invalid value ${value} for ${key}`, base === 8 ? `write ${key}=0755` : `write ${key}=1000`)
  return out
}

function check(mount: Draft): void {
  const { type } = mount
  for (const key of ['mode', 'uid', 'gid'] as const)
    if (mount[key] !== undefined && (type === 'bind' || type === 'tmpfs'))
      throw fault(`${key} not allowed for ${quote(type)} type mounts`, `remove ${key}=`)
  if (type === 'secret') {
    if (mount.from !== '') throw fault('secret mount should not have a from', 'remove from=')
    if (mount.sharing !== undefined) throw fault('secret mount should not define sharing', 'remove sharing=')
    if (mount.source === '' && mount.target === '' && mount.id === '')
      throw fault('invalid secret mount. one of source, target required', 'write type=secret,id=name')
    if (mount.source !== '' && mount.id !== '') throw fault("both source and id can't be set", 'remove source=')
  }
  if (mount.sharing !== undefined && type !== 'cache')
    throw fault(`invalid cache sharing set for ${type} mount`, 'sharing= is for type=cache')
}
