import type { Entry, EntryType, Xattr } from '../layer/entry.js'
import { F, type FrameWriter, type Payload } from './frames.js'

/** Numbers of the types: the index is the value of `enum entry_type`. */
const TYPES: readonly EntryType[] = [
  'file',
  'dir',
  'symlink',
  'hardlink',
  'char',
  'block',
  'fifo',
  'whiteout',
  'opaque',
]
const NUMBERS = new Map(TYPES.map((type, i) => [type, i]))
const NO_NAME = ''

/** Puts an entry into an ENTRY frame. */
export function encodeEntry(w: FrameWriter, e: Entry): void {
  w.begin(F.ENTRY).u8(NUMBERS.get(e.type)!).u32(e.mode).u32(e.uid).u32(e.gid)
  w.u32(e.major ?? 0)
    .u32(e.minor ?? 0)
    .u64(e.mtime)
    .u64(e.size)
  w.str(e.path).str(e.link ?? NO_NAME)
  w.u32(e.xattrs?.length ?? 0)
  for (const [name, value] of e.xattrs ?? []) w.str(name).blob(value)
  w.end()
}

/** Takes an entry out of an ENTRY frame. */
export function decodeEntry(p: Payload): Entry {
  const type = TYPES[p.u8()]!
  const mode = p.u32()
  const uid = p.u32()
  const gid = p.u32()
  const major = p.u32()
  const minor = p.u32()
  const mtime = p.u64()
  const size = p.u64()
  const entry: Entry = { path: p.str(), type, mode, uid, gid, mtime, size }
  const link = p.str()
  if (type === 'symlink' || type === 'hardlink') entry.link = link
  if (type === 'char' || type === 'block') {
    entry.major = major
    entry.minor = minor
  }
  const xattrs: Xattr[] = []
  for (let n = p.u32(); n > 0; n--) xattrs.push([p.str(), Uint8Array.from(p.blob())])
  if (xattrs.length) entry.xattrs = xattrs
  return entry
}
