import { constants, lstatSync, openSync, type Stats } from 'node:fs'
import { join } from 'node:path'
import { errnoCode, TsboxError } from '../base/error.js'

/**
 * Opens a regular file below `root` for reading, following no link on the way: an archive's folder is somebody else's,
 * and a link in it could point anywhere.
 *
 * @param path relative, clean, without `..`
 * @returns a descriptor that the caller closes; undefined where there is no such file
 * @throws TsboxError E_UNSAFE_PATH for `..`, an absolute path, a link on the way, or what is no regular file
 */
export function openBeneath(root: string, path: string): { fd: number; stat: Stats } | undefined {
  const parts = path.split('/')
  if (path.startsWith('/') || parts.some((p) => p === '' || p === '.' || p === '..')) throw unsafe(root, path)
  let at = root
  for (const [i, part] of parts.entries()) {
    at = join(at, part)
    const stat = lstatIfThere(at)
    if (!stat) return undefined
    const last = i === parts.length - 1
    if (last ? !stat.isFile() : !stat.isDirectory()) throw unsafe(root, path)
    if (last) return { fd: openSync(at, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK), stat }
  }
  return undefined
}

function lstatIfThere(path: string): Stats | undefined {
  try {
    return lstatSync(path)
  } catch (err) {
    if (errnoCode(err) === 'ENOENT' || errnoCode(err) === 'ENOTDIR') return undefined
    throw err
  }
}

function unsafe(root: string, path: string): TsboxError {
  return new TsboxError('E_UNSAFE_PATH', `open file: path leaves its folder or is no plain file: "${path}"`, {
    hint: `look at ${join(root, '.')} for links`,
  })
}
