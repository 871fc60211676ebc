import { chmodSync, lstatSync, readdirSync, rmdirSync, unlinkSync } from 'node:fs'
import { errnoCode } from '../base/error.js'

/**
 * Deletes a tree as far as this user may, opening closed folders of its own on the way. Follows no link.
 *
 * @param path bytes where it comes from a folder, since names need not be UTF-8
 * @returns false where something was left because it belongs to another (mapped) user
 */
export function removeOwnTree(path: string | Buffer): boolean {
  try {
    unlinkSync(path)
    return true
  } catch (err) {
    const code = errnoCode(err)
    if (code === 'ENOENT') return true
    if (code === 'EACCES') return false
    // unlink of a folder: EISDIR on Linux, EPERM elsewhere.
    if (code !== 'EISDIR' && code !== 'EPERM') throw err
    if (code === 'EPERM' && !isDirectory(path)) return false
  }
  return removeDirectory(path)
}

function isDirectory(path: string | Buffer): boolean {
  try {
    return lstatSync(path).isDirectory()
  } catch {
    return false
  }
}

function removeDirectory(path: string | Buffer): boolean {
  const names = listOpened(path)
  if (!names) return false
  let all = true
  for (const name of names) if (!removeOwnTree(below(path, name))) all = false
  if (!all) return false
  try {
    rmdirSync(path)
    return true
  } catch (err) {
    const code = errnoCode(err)
    if (code === 'ENOENT') return true
    if (code === 'EACCES' || code === 'EPERM' || code === 'ENOTEMPTY') return false
    throw err
  }
}

/** Names in a folder that is made readable and writable first where that is needed and allowed. */
function listOpened(path: string | Buffer): Buffer[] | undefined {
  try {
    if ((lstatSync(path).mode & 0o700) !== 0o700) chmodSync(path, 0o700)
    return readdirSync(path, { encoding: 'buffer' })
  } catch (err) {
    const code = errnoCode(err)
    if (code === 'ENOENT') return []
    if (code === 'EACCES' || code === 'EPERM') return undefined
    throw err
  }
}

function below(path: string | Buffer, name: Buffer): Buffer {
  return Buffer.concat([typeof path === 'string' ? Buffer.from(path) : path, Buffer.from('/'), name])
}

/** Bytes on disk of a tree, as far as it can be read; a hard link counts once. */
export function diskUsage(path: string | Buffer, seen = new Set<string>()): number {
  try {
    const stat = lstatSync(path)
    if (stat.nlink > 1 && !stat.isDirectory()) {
      const key = `${stat.dev}:${stat.ino}`
      if (seen.has(key)) return 0
      seen.add(key)
    }
    let total = stat.blocks * 512
    if (stat.isDirectory())
      for (const name of readdirSync(path, { encoding: 'buffer' })) total += diskUsage(below(path, name), seen)
    return total
  } catch {
    return 0
  }
}
