import { TsboxError } from '../../base/error.js'
import { baseName, dirName, joinPath } from '../../base/path.js'
import type { Entry } from '../../layer/entry.js'
import type { FileTree } from '../seams.js'
import type { LayerDraft, Owner } from './draft.js'

/** How what is copied differs from its source. */
export interface CopyStyle {
  /** Undefined: the source's own. */
  owner?: Owner | undefined
  /** New permission bits for an entry of these old ones; undefined: unchanged. */
  mode?: ((mode: number, isDir: boolean) => number) | undefined
  /** Which paths below the source are taken; undefined: all. */
  select?: Select | undefined
  /** Owner of directories that the copy makes on its way. */
  parentOwner: Owner
}

/** For a path relative to the copied directory: taken, left, or left with something below it perhaps taken. */
export type Select = (relative: string, isDir: boolean) => 'take' | 'leave' | 'descend'

/**
 * Drafts a copy of one source to one destination with BuildKit's rules: the content of a directory goes into the
 * destination, a file goes to the destination or, where that is a directory or ends with a slash, into it.
 *
 * @param source path in `tree`, links in it not yet resolved
 * @param real the same with links resolved
 * @param dest rooted path, a trailing slash meaning a directory
 * @throws TsboxError E_COPY_NOT_FOUND, E_NOT_A_DIRECTORY
 */
export function draftCopy(
  draft: LayerDraft,
  tree: FileTree,
  source: string,
  real: string,
  dest: string,
  style: CopyStyle,
): void {
  const from = tree.lstat(real)
  if (!from) throw notFound(source)
  const fresh = !draft.lstat(draft.resolve(dest))
  draft.mkdirAll(draft.resolve(dest.endsWith('/') ? dest : dirName(dest)), style.parentOwner)
  let target = draft.resolve(dest)
  const there = draft.lstat(target)
  if (from.type !== 'dir') {
    if (there?.type === 'dir') target = joinPath(target, baseName(source))
    draft.mkdirAll(dirName(target), style.parentOwner)
  } else if (!there) draft.mkdirAll(target, style.parentOwner)
  new TreeCopier(draft, tree, style, real).copySource(from, target, fresh)
}

/** The error for a source that is not there. */
export function notFound(source: string): TsboxError {
  return new TsboxError('E_COPY_NOT_FOUND', `copy: no such file or directory "/${source.replace(/^\/+/, '')}"`, {
    hint: 'sources are paths inside the build context or the stage, and "../" does not leave it; .dockerignore may exclude a file',
  })
}

/** A directory passed through that is made only when something below it is taken. */
interface PendingDir {
  from: Entry
  target: string
}

class TreeCopier {
  readonly #draft: LayerDraft
  readonly #tree: FileTree
  readonly #style: CopyStyle
  /** Where the path of an entry relative to the source begins. */
  readonly #relativeAt: number
  readonly #pending: PendingDir[] = []

  /** @param source path of what is copied, without links */
  constructor(draft: LayerDraft, tree: FileTree, style: CopyStyle, source: string) {
    this.#draft = draft
    this.#tree = tree
    this.#style = style
    this.#relativeAt = source === '' ? 0 : source.length + 1
  }

  /**
   * Copies the source itself: a directory's content goes into `target`, which exists by now and stays as it is.
   *
   * @param fresh whether nothing can be below `target`
   */
  copySource(from: Entry, target: string, fresh: boolean): void {
    if (from.type !== 'dir') {
      this.#copyLeaf(from, target)
      return
    }
    this.#expectDir(target, this.#draft.lstat(target))
    this.#copyContent(from, target, fresh)
  }

  /** @param fresh whether nothing can be at or below `target` */
  #copy(from: Entry, target: string, fresh: boolean): void {
    const isDir = from.type === 'dir'
    const verdict = this.#style.select?.(from.path.slice(this.#relativeAt), isDir) ?? 'take'
    if (verdict === 'leave') return
    if (!isDir) {
      if (verdict === 'take') this.#copyLeaf(from, target, fresh)
      return
    }
    if (verdict === 'descend') {
      this.#pending.push({ from, target })
      this.#copyContent(from, target, fresh)
      if (this.#pending.at(-1)?.target === target) this.#pending.pop()
      return
    }
    this.#makePending()
    this.#copyContent(from, target, this.#copyDir(from, target, fresh))
  }

  #copyContent(from: Entry, target: string, fresh: boolean): void {
    const children = listDir(this.#tree, from.path)
    const nameAt = from.path === '' ? 0 : from.path.length + 1
    const prefix = target === '' ? '' : `${target}/`
    // Equal paths are one text in memory.
    const samePath = from.path === target
    for (const child of children) this.#copy(child, samePath ? child.path : prefix + child.path.slice(nameAt), fresh)
  }

  #makePending(): void {
    for (const { from, target } of this.#pending.splice(0)) this.#copyDir(from, target, false)
  }

  #expectDir(target: string, there: Entry | undefined): void {
    if (there && there.type !== 'dir')
      throw new TsboxError('E_NOT_A_DIRECTORY', `copy directory: the destination is not a directory "/${target}"`)
  }

  /** @returns whether the directory is new, with nothing in it */
  #copyDir(from: Entry, target: string, fresh: boolean): boolean {
    const there = fresh ? undefined : this.#draft.lstat(target)
    this.#expectDir(target, there)
    const drafted = { entry: this.#restyled(from, target) }
    if (fresh) this.#draft.append(drafted)
    else this.#draft.put(drafted)
    return !there
  }

  #copyLeaf(from: Entry, target: string, fresh = false): void {
    this.#makePending()
    if (!fresh && this.#draft.lstat(target)?.type === 'dir')
      throw new TsboxError('E_IS_A_DIRECTORY', `copy file: the destination is a directory "/${target}"`)
    const entry = this.#restyled(from, target)
    const drafted = from.type === 'file' ? { entry, tree: this.#tree, path: from.path } : { entry }
    if (fresh) this.#draft.append(drafted)
    else this.#draft.put(drafted)
  }

  #restyled(from: Entry, path: string): Entry {
    const { owner, mode } = this.#style
    if (!owner && !mode && path === from.path) return from
    const entry = { ...from, path }
    if (owner) Object.assign(entry, owner)
    if (mode && from.type !== 'symlink') entry.mode = mode(from.mode, from.type === 'dir')
    if (from.type === 'dir') entry.size = 0
    return entry
  }
}

/** Entries of a directory in byte order. */
function listDir(tree: FileTree, dir: string): readonly Entry[] {
  if (tree.list) return tree.list(dir)
  const prefix = dir === '' ? '' : `${dir}/`
  return tree.readdir(dir).flatMap((name) => tree.lstat(prefix + name) ?? [])
}
