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
  draft.mkdirAll(draft.resolve(dest.endsWith('/') ? dest : dirName(dest)), style.parentOwner)
  let target = draft.resolve(dest)
  const there = draft.lstat(target)
  if (from.type !== 'dir') {
    if (there?.type === 'dir') target = joinPath(target, baseName(source))
    draft.mkdirAll(dirName(target), style.parentOwner)
  } else if (!there) draft.mkdirAll(target, style.parentOwner)
  new TreeCopier(draft, tree, style).copy(from, real, '', target, false)
}

/** The error for a source that is not there. */
export function notFound(source: string): TsboxError {
  return new TsboxError('E_COPY_NOT_FOUND', `copy: no such file or directory "/${source.replace(/^\/+/, '')}"`, {
    hint: 'sources are paths inside the build context or the stage, and "../" does not leave it; .dockerignore may exclude a file',
  })
}

class TreeCopier {
  readonly #draft: LayerDraft
  readonly #tree: FileTree
  readonly #style: CopyStyle
  /** Directories passed through that are made only when something below them is taken. */
  readonly #pending: { from: Entry; target: string }[] = []

  constructor(draft: LayerDraft, tree: FileTree, style: CopyStyle) {
    this.#draft = draft
    this.#tree = tree
    this.#style = style
  }

  copy(from: Entry, real: string, relative: string, target: string, overwrite: boolean): void {
    const verdict = relative === '' || !this.#style.select ? 'take' : this.#style.select(relative, from.type === 'dir')
    if (verdict === 'leave') return
    if (from.type !== 'dir') {
      if (verdict === 'take') this.#copyLeaf(from, real, target)
      return
    }
    // The destination itself exists by now and keeps its own metadata.
    const fresh = relative !== ''
    if (fresh && verdict === 'descend') this.#pending.push({ from, target })
    else if (fresh) {
      this.#makePending()
      this.#copyDir(from, target, overwrite)
    } else this.#expectDir(target)
    for (const name of this.#tree.readdir(real)) {
      const path = below(real, name)
      const child = this.#tree.lstat(path)
      if (child) this.copy(child, path, below(relative, name), below(target, name), true)
    }
    if (fresh && verdict === 'descend' && this.#pending.at(-1)?.target === target) this.#pending.pop()
  }

  #makePending(): void {
    for (const p of this.#pending.splice(0)) this.#copyDir(p.from, p.target, true)
  }

  #expectDir(target: string): void {
    const there = this.#draft.lstat(target)
    if (there && there.type !== 'dir')
      throw new TsboxError('E_NOT_A_DIRECTORY', `copy directory: the destination is not a directory "/${target}"`)
  }

  #copyDir(from: Entry, target: string, overwrite: boolean): void {
    const there = this.#draft.lstat(target)
    this.#expectDir(target)
    if (there && !overwrite) return
    this.#draft.put({ entry: { ...this.#restyled(from), path: target, type: 'dir', size: 0 } })
  }

  #copyLeaf(from: Entry, real: string, target: string): void {
    this.#makePending()
    if (this.#draft.lstat(target)?.type === 'dir')
      throw new TsboxError('E_IS_A_DIRECTORY', `copy file: the destination is a directory "/${target}"`)
    const entry: Entry = { ...this.#restyled(from), path: target }
    if (from.type === 'file') this.#draft.put({ entry, content: { tree: this.#tree, path: real } })
    else this.#draft.put({ entry })
  }

  #restyled(from: Entry): Entry {
    const { owner, mode } = this.#style
    const bits = mode && from.type !== 'symlink' ? mode(from.mode, from.type === 'dir') : from.mode
    return { ...from, ...(owner ?? {}), mode: bits }
  }
}

/** A name in a directory: both are clean, so that there is nothing to join by rules. */
function below(dir: string, name: string): string {
  return dir === '' ? name : `${dir}/${name}`
}
