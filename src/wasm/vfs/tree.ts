import { compareNames } from '../../base/bytes.js'
import type { Entry } from '../../layer/entry.js'
import { type Budget, FileContent } from './content.js'
import { VfsError } from './error.js'
import {
  type DeviceRole,
  type DirInode,
  type FileInode,
  type Inode,
  metadataOf,
  type Origin,
  type SpecialInode,
  type SymlinkInode,
} from './inode.js'
import type { LowerDir } from './lower.js'

export interface TreeOptions {
  lower: LowerDir
  /** Nanoseconds since 1970; stamps what changes. */
  now(): bigint
  /** Memory for all content written. */
  maxBytes: number
}

/** Numeric ids. */
export interface Owner {
  uid: number
  gid: number
}

/**
 * The overlay: inodes materialise from below when they are looked up and live on in memory, so that descriptors keep
 * them. Lookups are of single names; see resolve.ts for paths and change.ts for what may be done to them.
 */
export class Tree {
  readonly root: DirInode
  readonly budget: Budget
  readonly options: TreeOptions
  /** Of what is made from now on. */
  owner: Owner = { uid: 0, gid: 0 }
  /** Mounts by the directory they are in and their name: they hide what is there and never enter a diff. */
  readonly #mounts = new Map<DirInode, Map<string, Inode>>()
  readonly #frozen = new Set<number>()
  readonly #budgets = new Map<number, Budget>()
  #nextIno = 1n
  #nextDevice = 0

  constructor(options: TreeOptions) {
    this.options = options
    this.budget = { leftBytes: options.maxBytes }
    this.root = this.treeRoot({ lower: options.lower, path: '' })
  }

  /** A directory that is the root of a device of its own, showing a lower tree or nothing. */
  treeRoot(origin: Origin | undefined): DirInode {
    const entry = origin?.lower.lstat(origin.path)
    return {
      kind: 'dir',
      ...this.#common(this.#nextDevice++, entry?.type === 'dir' ? entry : undefined, 0o755),
      links: 1,
      origin,
      parent: undefined,
      children: new Map(),
    }
  }

  #common(device: number, entry: Entry | undefined, mode: number) {
    const ino = this.#nextIno++
    if (entry) return { ino, device, ...metadataOf(entry), changed: false }
    const now = this.options.now()
    return {
      ino,
      device,
      mode,
      ...this.owner,
      atime: now,
      mtime: now,
      ctime: now,
      xattrs: undefined,
      changed: true,
    }
  }

  /** The parent, through mounts; the root's is the root. @throws VfsError ENOENT for a directory that was removed */
  parentOf(dir: DirInode): DirInode {
    if (dir === this.root) return dir
    if (!dir.parent) throw new VfsError('ENOENT')
    return dir.parent
  }

  /** What a name in a directory leads to; undefined where nothing is. No link is followed. */
  lookup(dir: DirInode, name: string): Inode | undefined {
    const mounted = this.#mounts.get(dir)?.get(name)
    if (mounted) return mounted
    const known = dir.children.get(name)
    if (known !== undefined) return known ?? undefined
    if (!dir.origin) return undefined
    const node = this.#load(dir, name, dir.origin)
    if (node) dir.children.set(name, node)
    return node
  }

  #load(dir: DirInode, name: string, at: Origin): Inode | undefined {
    const path = at.path === '' ? name : `${at.path}/${name}`
    const entry = at.lower.lstat(path)
    return entry && this.#fromEntry(dir, entry, { lower: at.lower, path })
  }

  #fromEntry(dir: DirInode, entry: Entry, origin: Origin): Inode | undefined {
    const common = { ...this.#common(dir.device, entry, 0), links: 1, origin }
    switch (entry.type) {
      case 'file':
        return { kind: 'file', ...common, open: 0, content: this.#lowerContent(entry.size, origin) }
      case 'hardlink': {
        // As overlayfs without an index does, each name of a lower file becomes a file of its own when it changes.
        const path = entry.link ?? ''
        const file = origin.lower.lstat(path)
        if (file?.type !== 'file') return undefined
        const content = this.#lowerContent(file.size, { lower: origin.lower, path })
        return { kind: 'file', ...common, ...metadataOf(file), open: 0, content }
      }
      case 'dir':
        return { kind: 'dir', ...common, parent: dir, children: new Map() }
      case 'symlink':
        return { kind: 'symlink', ...common, target: entry.link ?? '' }
      case 'char':
      case 'block':
      case 'fifo':
        return { kind: entry.type, ...common, major: entry.major ?? 0, minor: entry.minor ?? 0, role: undefined }
      default:
        return undefined
    }
  }

  #lowerContent(sizeBytes: number, { lower, path }: Origin): FileContent {
    return new FileContent(this.budget, { sizeBytes, pread: (offset, length) => lower.pread(path, offset, length) })
  }

  /** Names in a directory, in byte order, without `.` and `..`. */
  names(dir: DirInode): string[] {
    const names = new Set(dir.origin ? dir.origin.lower.readdir(dir.origin.path) : [])
    for (const [name, node] of dir.children)
      if (node) names.add(name)
      else names.delete(name)
    for (const name of this.#mounts.get(dir)?.keys() ?? []) names.add(name)
    return [...names].sort(compareNames)
  }

  /** True where a mount sits on the name. */
  isMount(dir: DirInode, name: string): boolean {
    return this.#mounts.get(dir)?.has(name) ?? false
  }

  /** Puts a tree, a file or a device on a name, which need not exist below. */
  mount(dir: DirInode, name: string, node: Inode): void {
    if (node.kind === 'dir') node.parent = dir
    const here = this.#mounts.get(dir) ?? new Map<string, Inode>()
    this.#mounts.set(dir, here.set(name, node))
  }

  /** Makes a mount read-only. */
  freeze(device: number): void {
    this.#frozen.add(device)
  }

  /** Gives a mount a size of its own, in bytes. */
  limit(device: number, bytes: number): void {
    this.#budgets.set(device, { leftBytes: bytes })
  }

  /** @throws VfsError EROFS for what lies on a read-only mount */
  requireWritable(node: Inode): void {
    if (this.#frozen.has(node.device)) throw new VfsError('EROFS')
  }

  makeFile(dir: DirInode, mode: number): FileInode {
    const content = new FileContent(this.#budgets.get(dir.device) ?? this.budget)
    return { kind: 'file', ...this.#common(dir.device, undefined, mode), links: 0, origin: undefined, open: 0, content }
  }

  makeDir(dir: DirInode, mode: number): DirInode {
    const common = this.#common(dir.device, undefined, mode)
    return { kind: 'dir', ...common, links: 1, origin: undefined, parent: dir, children: new Map() }
  }

  makeSymlink(dir: DirInode, target: string): SymlinkInode {
    return { kind: 'symlink', ...this.#common(dir.device, undefined, 0o777), links: 0, origin: undefined, target }
  }

  makeDevice(dir: DirInode, role: DeviceRole, minor: number): SpecialInode {
    const common = this.#common(dir.device, undefined, 0o666)
    return { kind: 'char', ...common, links: 1, origin: undefined, major: 1, minor, role }
  }
}
