import { encodeName } from '../base/bytes.js'
import { TsboxError } from '../base/error.js'
import { dirName } from '../base/path.js'
import type { Entry, EntrySink, EntryType } from './entry.js'
import { encodePax } from './pax.js'
import { BLOCK, OPAQUE_NAME, padding, WHITEOUT_PREFIX } from './tar-format.js'

const FLAGS: Record<EntryType, number> = {
  file: 0x30,
  whiteout: 0x30,
  opaque: 0x30,
  hardlink: 0x31,
  symlink: 0x32,
  char: 0x33,
  block: 0x34,
  dir: 0x35,
  fifo: 0x36,
}
const BUFFER_BYTES = 1 << 17
const DIRECT_BYTES = 1 << 15
const MAX_OCTAL_7 = 0o7777777
const MAX_OCTAL_11 = 0o77777777777

/**
 * Entries → tar, the same bytes for the same entries: ustar, a pax header only where ustar can't say it, no user or
 * group names, no access times, two zero blocks at the end. Names keep their bytes.
 *
 * `output` is called synchronously; its chunk is only valid during the call.
 */
export class TarEncoder implements EntrySink {
  /** Bytes of tar so far; right after `entry()` of a file: where its content starts. */
  position = 0
  readonly #output: (chunk: Uint8Array) => void
  readonly #buffer = new Uint8Array(BUFFER_BYTES)
  #used = 0
  #missing = 0
  #pad = 0
  #path = ''

  constructor(output: (chunk: Uint8Array) => void) {
    this.#output = output
  }

  /** @throws TsboxError E_TAR_SIZE where the entry before got too little content */
  entry(entry: Entry): void {
    this.#finishContent()
    const name = encodeName(tarName(entry))
    const link = entry.link === undefined ? undefined : encodeName(entry.link)
    const split = splitName(name)
    const size = entry.type === 'file' ? entry.size : 0
    const pax = paxRecords(entry, name, link, split, size)
    if (pax) this.#paxHeader(name, pax)
    this.#header(entry, { name, split, link, size })
    this.#missing = size
    this.#pad = padding(size)
    this.#path = entry.path
  }

  /** @throws TsboxError E_TAR_SIZE for more content than the entry's size */
  data(chunk: Uint8Array): void {
    if (chunk.length > this.#missing) throw this.#sizeError('more')
    this.#missing -= chunk.length
    this.#write(chunk)
    if (this.#missing === 0) {
      this.#zeros(this.#pad)
      this.#pad = 0
    }
  }

  /** Writes the end of the archive and all that is buffered. */
  end(): void {
    this.#finishContent()
    this.#zeros(2 * BLOCK)
    this.#flush()
  }

  #finishContent(): void {
    if (this.#missing > 0) throw this.#sizeError('less')
  }

  #sizeError(how: string): TsboxError {
    return new TsboxError('E_TAR_SIZE', `write layer: file has ${how} content than it announced: "${this.#path}"`)
  }

  #header(entry: Entry, f: { name: Uint8Array; split: Split; link: Uint8Array | undefined; size: number }): void {
    const at = this.#block()
    const b = this.#buffer
    const { prefix, from, to } = f.split
    b.set(f.name.subarray(from, to), at)
    const bare = entry.type === 'whiteout' || entry.type === 'opaque'
    octal(b, at + 100, 7, bare ? 0 : entry.mode)
    octal(b, at + 108, 7, fits(entry.uid, MAX_OCTAL_7))
    octal(b, at + 116, 7, fits(entry.gid, MAX_OCTAL_7))
    octal(b, at + 124, 11, fits(f.size, MAX_OCTAL_11))
    octal(b, at + 136, 11, fits(entry.mtime, MAX_OCTAL_11))
    b[at + 156] = FLAGS[entry.type]
    if (f.link) b.set(f.link.subarray(0, 100), at + 157)
    if (entry.type === 'char' || entry.type === 'block') {
      octal(b, at + 329, 7, fits(entry.major ?? 0, MAX_OCTAL_7))
      octal(b, at + 337, 7, fits(entry.minor ?? 0, MAX_OCTAL_7))
    }
    b.set(f.name.subarray(0, prefix), at + 345)
    seal(b, at)
  }

  #paxHeader(name: Uint8Array, body: Uint8Array): void {
    const at = this.#block()
    const b = this.#buffer
    // The name is for readers that know no pax; only its determinism matters.
    b.set(encodeName('PaxHeaders.0/'), at)
    const start = Math.max(0, name.lastIndexOf(0x2f, name.length - 2) + 1)
    b.set(name.subarray(start, Math.min(name.length, start + 80)), at + 13)
    octal(b, at + 100, 7, 0o644)
    octal(b, at + 108, 7, 0)
    octal(b, at + 116, 7, 0)
    octal(b, at + 124, 11, body.length)
    octal(b, at + 136, 11, 0)
    b[at + 156] = 0x78
    seal(b, at)
    this.#write(body)
    this.#zeros(padding(body.length))
  }

  /** Takes a zeroed block of the buffer. */
  #block(): number {
    if (this.#used + BLOCK > BUFFER_BYTES) this.#flush()
    const at = this.#used
    this.#buffer.fill(0, at, at + BLOCK)
    this.#used += BLOCK
    this.position += BLOCK
    return at
  }

  #write(chunk: Uint8Array): void {
    this.position += chunk.length
    if (chunk.length >= DIRECT_BYTES) {
      this.#flush()
      this.#output(chunk)
      return
    }
    if (this.#used + chunk.length > BUFFER_BYTES) this.#flush()
    this.#buffer.set(chunk, this.#used)
    this.#used += chunk.length
  }

  #zeros(count: number): void {
    if (this.#used + count > BUFFER_BYTES) this.#flush()
    this.#buffer.fill(0, this.#used, this.#used + count)
    this.#used += count
    this.position += count
  }

  #flush(): void {
    if (this.#used === 0) return
    const chunk = this.#buffer.subarray(0, this.#used)
    this.#used = 0
    this.#output(chunk)
  }
}

/** Where a name goes in ustar's two fields; `ok` is false where it fits neither. */
interface Split {
  ok: boolean
  /** Bytes in the prefix field. */
  prefix: number
  /** Bytes `from` to `to` are in the name field. */
  from: number
  to: number
}

function splitName(name: Uint8Array): Split {
  if (name.length <= 100) return { ok: true, prefix: 0, from: 0, to: name.length }
  // The slash between prefix and name is not stored; a directory's last slash stays in the name.
  let at = name.lastIndexOf(0x2f, Math.min(155, name.length - 2))
  if (at > 0 && name.length - at - 1 <= 100) return { ok: true, prefix: at, from: at + 1, to: name.length }
  at = 0
  return { ok: false, prefix: 0, from: 0, to: 100 }
}

function tarName(entry: Entry): string {
  if (entry.type === 'dir') return entry.path === '' ? './' : `${entry.path}/`
  if (entry.type === 'opaque') return entry.path === '' ? OPAQUE_NAME : `${entry.path}/${OPAQUE_NAME}`
  if (entry.type !== 'whiteout') return entry.path
  const dir = dirName(entry.path)
  const base = WHITEOUT_PREFIX + (dir === '' ? entry.path : entry.path.slice(dir.length + 1))
  return dir === '' ? base : `${dir}/${base}`
}

function paxRecords(
  entry: Entry,
  name: Uint8Array,
  link: Uint8Array | undefined,
  split: Split,
  size: number,
): Uint8Array | undefined {
  const records: [string, Uint8Array | string][] = []
  if (entry.xattrs) for (const [key, value] of entry.xattrs) records.push([`SCHILY.xattr.${key}`, value])
  if (entry.gid > MAX_OCTAL_7) records.push(['gid', String(entry.gid)])
  if (link && link.length > 100) records.push(['linkpath', link])
  if (entry.mtime < 0 || entry.mtime > MAX_OCTAL_11) records.push(['mtime', String(entry.mtime)])
  if (!split.ok) records.push(['path', name])
  if (size > MAX_OCTAL_11) records.push(['size', String(size)])
  if (entry.uid > MAX_OCTAL_7) records.push(['uid', String(entry.uid)])
  return records.length ? encodePax(records) : undefined
}

/** What doesn't fit is 0 here and said in the pax header. */
function fits(value: number, max: number): number {
  return value >= 0 && value <= max ? value : 0
}

/** `digits` octal digits and the NUL that the zeroed block already has. */
function octal(b: Uint8Array, at: number, digits: number, value: number): void {
  let v = value
  for (let i = at + digits - 1; i >= at; i--) {
    b[i] = 0x30 + (v % 8)
    v = Math.floor(v / 8)
  }
}

/** Magic, version and checksum. */
function seal(b: Uint8Array, at: number): void {
  b[at + 257] = 0x75 // "ustar\0" "00"
  b[at + 258] = 0x73
  b[at + 259] = 0x74
  b[at + 260] = 0x61
  b[at + 261] = 0x72
  b[at + 263] = 0x30
  b[at + 264] = 0x30
  let sum = 8 * 0x20
  for (let i = at; i < at + BLOCK; i++) sum += b[i]!
  octal(b, at + 148, 6, sum)
  b[at + 154] = 0
  b[at + 155] = 0x20
}
