import { compareNames, decodeName } from '../base/bytes.js'
import { TsboxError } from '../base/error.js'
import { baseName, dirName } from '../base/path.js'
import type { Entry, EntryType, Xattr } from './entry.js'
import { OPAQUE_NAME, WHITEOUT_PREFIX, XATTR_PREFIX } from './tar-format.js'
import type { SparseExtent, TarHeader } from './tar-header.js'
import { pairExtents } from './tar-sparse.js'

/** What headers before an entry's own say about it. */
export interface TarMeta {
  gnuName?: Uint8Array
  gnuLink?: Uint8Array
  pax?: Readonly<Record<string, Uint8Array>>
  /** Offsets and sizes of pax sparse format 0.0. */
  sparsePairs?: string[]
}

/** A header and its extensions, put together. */
export interface BuiltEntry {
  /** Undefined for what is no file-system object (volume labels, aufs' bookkeeping). */
  entry: Entry | undefined
  /** Bytes that follow in the archive, without padding. */
  storedSize: number
  sparse?: readonly SparseExtent[] | 'map-in-data' | undefined
}

const TYPES: Readonly<Record<string, EntryType>> = {
  '0': 'file',
  '7': 'file',
  S: 'file',
  '1': 'hardlink',
  '2': 'symlink',
  '3': 'char',
  '4': 'block',
  '5': 'dir',
  D: 'dir',
  '6': 'fifo',
}

/** @throws TsboxError E_TAR_INVALID, E_TAR_UNSAFE_PATH, E_TAR_UNSUPPORTED */
export function buildEntry(header: TarHeader, meta: TarMeta, global: TarMeta, whiteouts: boolean): BuiltEntry {
  const pax = global.pax ? { ...global.pax, ...meta.pax } : (meta.pax ?? {})
  const size = paxNumber(pax, 'size') ?? header.size
  if (!(size >= 0)) throw new TsboxError('E_TAR_INVALID', `read tar: negative size: "${header.name}"`)
  // A volume label has no content of its own; only its header is there.
  if (header.flag === 'V') return { entry: undefined, storedSize: 0 }
  const name = nameOf(pax, header, meta)
  const old = header.flag === '0' && name.endsWith('/')
  const type = old ? 'dir' : TYPES[header.flag]
  if (!type) throw new TsboxError('E_TAR_UNSUPPORTED', `read tar: entry of unknown type "${header.flag}": "${name}"`)
  const path = safePath(name)
  const sparse = type === 'file' ? paxSparse(pax, meta) : undefined
  const entry: Entry = {
    path,
    type,
    mode: header.mode,
    uid: ownerOf(paxNumber(pax, 'uid') ?? header.uid, path),
    gid: ownerOf(paxNumber(pax, 'gid') ?? header.gid, path),
    mtime: paxNumber(pax, 'mtime') ?? header.mtime,
    size:
      type !== 'file'
        ? 0
        : sparse
          ? (paxNumber(pax, 'GNU.sparse.realsize') ?? paxNumber(pax, 'GNU.sparse.size') ?? size)
          : size,
  }
  addLink(entry, header, meta, pax)
  if (type === 'char' || type === 'block') {
    entry.major = header.major
    entry.minor = header.minor
  }
  const xattrs = xattrsOf(pax)
  if (xattrs) entry.xattrs = xattrs
  // Only files (and GNU's dumped directories, whose content is a list of names) have content: as Go's archive/tar does.
  const storedSize = type === 'file' || header.flag === 'D' ? size : 0
  return { entry: whiteouts ? asWhiteout(entry) : entry, storedSize, sparse }
}

function nameOf(pax: Readonly<Record<string, Uint8Array>>, header: TarHeader, meta: TarMeta): string {
  const bytes = nonEmpty(pax['GNU.sparse.name']) ?? nonEmpty(pax.path) ?? meta.gnuName
  return bytes ? decodeName(bytes) : header.name
}

function addLink(entry: Entry, header: TarHeader, meta: TarMeta, pax: Readonly<Record<string, Uint8Array>>): void {
  if (entry.type !== 'symlink' && entry.type !== 'hardlink') return
  const bytes = nonEmpty(pax.linkpath) ?? meta.gnuLink
  const link = bytes ? decodeName(bytes) : header.link
  if (link.includes('\0') || link === '')
    throw new TsboxError('E_TAR_INVALID', `read tar: link without a target: "${entry.path}"`)
  entry.link = entry.type === 'hardlink' ? safePath(link) : link
}

function nonEmpty(bytes: Uint8Array | undefined): Uint8Array | undefined {
  return bytes?.length ? bytes : undefined
}

function ownerOf(id: number, path: string): number {
  if (Number.isInteger(id) && id >= 0 && id < 0xffffffff) return id
  throw new TsboxError('E_TAR_INVALID', `read tar: owner out of range (${id}): "${path}"`)
}

/** Seconds and sizes; fractions of times are dropped downward. */
function paxNumber(pax: Readonly<Record<string, Uint8Array>>, key: string): number | undefined {
  const bytes = nonEmpty(pax[key])
  if (!bytes) return undefined
  const value = String.fromCharCode(...bytes.subarray(0, 40))
  if (!/^-?\d+(?:\.\d*)?$/.test(value))
    throw new TsboxError('E_TAR_INVALID', `read tar: malformed pax ${key}: "${value}"`)
  const n = Math.floor(Number(value))
  if (!Number.isSafeInteger(n)) throw new TsboxError('E_TAR_INVALID', `read tar: pax ${key} out of range: "${value}"`)
  return n
}

function paxSparse(pax: Readonly<Record<string, Uint8Array>>, meta: TarMeta): BuiltEntry['sparse'] {
  const ascii = (key: string) => (pax[key] ? String.fromCharCode(...pax[key].subarray(0, 16)) : undefined)
  if (ascii('GNU.sparse.major') === '1') return 'map-in-data'
  if (pax['GNU.sparse.map'])
    return pairExtents(
      decodeName(pax['GNU.sparse.map'])
        .split(',')
        .filter((x) => x !== ''),
    )
  if (pax['GNU.sparse.size']) return pairExtents(meta.sparsePairs ?? [])
  return undefined
}

function xattrsOf(pax: Readonly<Record<string, Uint8Array>>): Xattr[] | undefined {
  let out: Xattr[] | undefined
  for (const key in pax) {
    if (!key.startsWith(XATTR_PREFIX)) continue
    out ??= []
    // Copied: the record's bytes are a view of a whole header block.
    out.push([key.slice(XATTR_PREFIX.length), pax[key]!.slice()])
  }
  return out?.sort((a, b) => compareNames(a[0], b[0]))
}

/**
 * Path of an archive → path below the root.
 *
 * @throws TsboxError E_TAR_UNSAFE_PATH for `..`, E_TAR_INVALID for NUL
 */
export function safePath(name: string): string {
  if (name.includes('\0')) throw new TsboxError('E_TAR_INVALID', `read tar: name with NUL: ${JSON.stringify(name)}`)
  // Most names are clean already.
  if (!/^\/|\/$|\/\/|(?:^|\/)\.{1,2}(?:\/|$)/.test(name)) return name
  const parts: string[] = []
  for (const part of name.split('/')) {
    if (part === '' || part === '.') continue
    if (part === '..') throw new TsboxError('E_TAR_UNSAFE_PATH', `read tar: path leaves its folder: "${name}"`)
    parts.push(part)
  }
  return parts.join('/')
}

/** @returns undefined for aufs' own files, which mean nothing to others */
function asWhiteout(entry: Entry): Entry | undefined {
  const at = entry.path.lastIndexOf('/') + 1
  if (!entry.path.startsWith(WHITEOUT_PREFIX, at)) return entry
  const dir = dirName(entry.path)
  const base = baseName(entry.path)
  const bare = { mode: 0, uid: 0, gid: 0, mtime: entry.mtime, size: 0 }
  if (base === OPAQUE_NAME) return { path: dir, type: 'opaque', ...bare }
  if (base.startsWith(`${WHITEOUT_PREFIX}${WHITEOUT_PREFIX}`)) return undefined
  const name = base.slice(WHITEOUT_PREFIX.length)
  if (name === '' || name === '.' || name === '..')
    throw new TsboxError('E_TAR_UNSAFE_PATH', `read tar: whiteout of no name: "${entry.path}"`)
  return { path: dir === '' ? name : `${dir}/${name}`, type: 'whiteout', ...bare }
}
