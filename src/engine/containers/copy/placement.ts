import { TsboxError } from '../../../base/error.js'
import { baseName, cleanPath, dirName } from '../../../base/path.js'

/** A path as it was written: without its end, and what the end says. */
export interface CopyPath {
  /** Clean. */
  path: string
  /** It ends with `/`, `/.` or `/..`: only a directory is meant. */
  directory: boolean
  /** It ends with `/.`: what is in the directory is meant. */
  contents: boolean
}

/** @param base directory of a relative path, with a slash at its end */
export function copyPath(text: string, base: string): CopyPath {
  return {
    path: cleanPath(text.startsWith('/') ? text : base + text),
    directory: /(^|\/)\.{0,2}$/.test(text),
    contents: /(^|\/)\.$/.test(text),
  }
}

/** What is at the destination; undefined where nothing is. */
export type Destination = { directory: boolean } | undefined

/**
 * Docker's rules for where a copy goes.
 *
 * @param name under which the source goes into a directory
 * @returns the directory that things go into, and the name of the source in it: '' puts its contents there
 * @throws TsboxError E_COPY
 */
export function placeCopy(
  from: { directory: boolean; contents: boolean; name: string },
  to: CopyPath,
  there: Destination,
): { dir: string; as: string } {
  if (there?.directory) return { dir: to.path, as: from.contents ? '' : from.name }
  if (there && from.directory) throw refused('cannot copy directory', to)
  if (there && to.directory) throw refused('not a directory', to)
  if (!there && !from.directory && to.directory) throw refused('no such directory', to)
  const dir = dirName(to.path)
  return { dir: dir === '' ? '/' : dir, as: baseName(to.path) }
}

function refused(why: string, { path }: CopyPath): TsboxError {
  return new TsboxError('E_COPY', `${why}: "${path}"`)
}

/** A path below the source under its new name. */
export function placedPath(as: string, path: string): string {
  return as === '' ? path : path === '' ? as : `${as}/${path}`
}

/** Bytes of a tar with these files, which is what docker says that it copied. */
export class TarSize {
  bytes = 1024

  add(size: number): void {
    this.bytes += 512 + Math.ceil(size / 512) * 512
  }
}
