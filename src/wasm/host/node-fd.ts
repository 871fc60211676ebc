import { wasi } from '@bjorn3/browser_wasi_shim'
import { freeIfUnused, touch } from '../vfs/change.js'
import { VfsError } from '../vfs/error.js'
import type { DirInode, FileInode, Inode, SpecialInode } from '../vfs/inode.js'
import type { Tree } from '../vfs/tree.js'
import { errnoOf } from './errno.js'
import { FD_READ, FD_WRITE, HostFd, type Rights } from './fd.js'
import { filetypeOf, setTimes } from './stat.js'

/** What descriptors on the tree share. */
abstract class NodeFd<T extends Inode> extends HostFd {
  protected readonly tree: Tree
  protected readonly node: T

  constructor(tree: Tree, node: T, rights: Rights) {
    super(rights)
    this.tree = tree
    this.node = node
  }

  get filetype(): number {
    return filetypeOf(this.node)
  }

  override get inode(): T {
    return this.node
  }

  override fd_filestat_set_times(atime: bigint, mtime: bigint, flags: number): number {
    return errnoOf(() => setTimes(this.tree, this.node, atime, mtime, flags))
  }

  protected need(right: bigint): void {
    if (!(this.rights.base & right)) throw new VfsError('EBADF')
  }
}

/** Numbers above 2^53 are beyond every file; as offsets they only have to stay too large. */
function toNumber(value: bigint): number {
  const wide = BigInt.asUintN(64, value)
  return Number(wide)
}

/** An open file with a position. */
export class FileFd extends NodeFd<FileInode> {
  #position = 0
  #closed = false

  constructor(tree: Tree, node: FileInode, rights: Rights) {
    super(tree, node, rights)
    node.open++
  }

  override read(into: Uint8Array): number {
    this.need(FD_READ)
    const length = this.node.content.read(into, this.#position)
    this.#position += length
    return length
  }

  override pread(into: Uint8Array, offset: bigint): number {
    this.need(FD_READ)
    return this.node.content.read(into, toNumber(offset))
  }

  override write(data: Uint8Array): number {
    if (this.flags & wasi.FDFLAGS_APPEND) this.#position = this.node.content.sizeBytes
    this.#write(data, this.#position)
    this.#position += data.length
    return data.length
  }

  override pwrite(data: Uint8Array, offset: bigint): number {
    this.#write(data, toNumber(offset))
    return data.length
  }

  #write(data: Uint8Array, offset: number): void {
    this.need(FD_WRITE)
    if (data.length === 0) return
    this.node.content.write(data, offset)
    touch(this.tree, this.node, true)
  }

  override seek(offset: bigint, whence: number): bigint {
    const bases = new Map([
      [wasi.WHENCE_SET, 0],
      [wasi.WHENCE_CUR, this.#position],
      [wasi.WHENCE_END, this.node.content.sizeBytes],
    ])
    const base = bases.get(whence)
    if (base === undefined) throw new VfsError('EINVAL')
    const position = BigInt(base) + offset
    if (position < 0n || position > BigInt(Number.MAX_SAFE_INTEGER)) throw new VfsError('EINVAL')
    this.#position = Number(position)
    return position
  }

  override fd_allocate(offset: bigint, length: bigint): number {
    return errnoOf(() => {
      this.need(FD_WRITE)
      if (offset < 0n || length <= 0n) throw new VfsError('EINVAL')
      const end = toNumber(offset) + toNumber(length)
      if (end > this.node.content.sizeBytes) this.#truncate(end)
    })
  }

  override fd_filestat_set_size(size: bigint): number {
    return errnoOf(() => {
      this.need(FD_WRITE)
      this.#truncate(toNumber(size))
    })
  }

  #truncate(size: number): void {
    this.node.content.truncate(size)
    touch(this.tree, this.node, true)
  }

  override fd_close(): number {
    if (this.#closed) return wasi.ERRNO_BADF
    this.#closed = true
    this.node.open--
    freeIfUnused(this.node)
    return wasi.ERRNO_SUCCESS
  }
}

/** A name of a directory listing, as it was when the listing began. */
export interface Listed {
  name: string
  ino: bigint
  filetype: number
}

/** An open directory. */
export class DirFd extends NodeFd<DirInode> {
  /** Names and their order are taken when a listing begins, so that cookies stay good while the directory changes. */
  #listing: Listed[] = []
  /** Set for the preopened root. */
  readonly #preopenName: string | undefined

  constructor(tree: Tree, node: DirInode, rights: Rights, preopenName?: string) {
    super(tree, node, rights)
    this.#preopenName = preopenName
  }

  /** Entries from `cookie` on; the cookie after entry i of the result is `cookie + i + 1`. */
  list(cookie: bigint): Listed[] {
    if (cookie === 0n) this.#listing = this.#snapshot()
    return this.#listing.slice(toNumber(cookie))
  }

  #snapshot(): Listed[] {
    const listed = (name: string, node: Inode) => ({ name, ino: node.ino, filetype: filetypeOf(node) })
    const parent = this.node.links === 0 ? this.node : this.tree.parentOf(this.node)
    const out = [listed('.', this.node), listed('..', parent)]
    for (const name of this.tree.names(this.node)) {
      const node = this.tree.lookup(this.node, name)
      if (node) out.push(listed(name, node))
    }
    return out
  }

  override pread(): number {
    throw new VfsError('EBADF')
  }

  override pwrite(): number {
    throw new VfsError('EBADF')
  }

  override seek(): bigint {
    throw new VfsError('EBADF')
  }

  override fd_allocate(): number {
    return wasi.ERRNO_BADF
  }

  override fd_filestat_set_size(): number {
    return wasi.ERRNO_BADF
  }

  override fd_prestat_get() {
    if (this.#preopenName === undefined) return { ret: wasi.ERRNO_BADF, prestat: null }
    return { ret: wasi.ERRNO_SUCCESS, prestat: wasi.Prestat.dir(this.#preopenName) }
  }
}

/** An open device that the host plays. */
export class DeviceFd extends NodeFd<SpecialInode> {
  readonly #random: (into: Uint8Array) => void

  constructor(tree: Tree, node: SpecialInode, rights: Rights, random: (into: Uint8Array) => void) {
    super(tree, node, rights)
    this.#random = random
  }

  override read(into: Uint8Array): number {
    this.need(FD_READ)
    if (this.node.role === 'null') return 0
    if (this.node.role === 'random') this.#random(into)
    else into.fill(0)
    return into.length
  }

  override pread(into: Uint8Array): number {
    return this.read(into)
  }

  override write(data: Uint8Array): number {
    this.need(FD_WRITE)
    if (this.node.role === 'full') throw new VfsError('ENOSPC')
    return data.length
  }

  override pwrite(data: Uint8Array): number {
    return this.write(data)
  }

  override seek(): bigint {
    return 0n
  }
}
