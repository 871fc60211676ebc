import { errnoCode, TsboxError } from '../base/error.js'

const UNWRITABLE = new Set(['EACCES', 'EPERM', 'EROFS', 'ENOTDIR', 'ELOOP'])

/**
 * What a user can do something about becomes an expected error; everything else is returned as it is.
 *
 * @param path what was being written
 * @param action as in the message: "write blob"
 */
export function storageError(err: unknown, action: string, path: string): unknown {
  const code = errnoCode(err)
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    const what = code === 'ENOSPC' ? 'no space left on the device' : 'disk quota exceeded'
    return new TsboxError('E_DISK_FULL', `${action}: ${what}: "${path}"`, {
      hint: 'free space with tsbox system prune -a, or use another disk with --root or TSBOX_ROOT',
      cause: err,
    })
  }
  if (code !== undefined && UNWRITABLE.has(code))
    return new TsboxError('E_STORE_UNWRITABLE', `${action}: the store can't be written (${code}): "${path}"`, {
      hint: 'use a folder of your own with --root or TSBOX_ROOT',
      cause: err,
    })
  return err
}

/** Runs `task`; its system errors go through {@link storageError}. */
export function withStorageErrors<T>(action: string, path: string, task: () => T): T {
  try {
    return task()
  } catch (err) {
    throw storageError(err, action, path)
  }
}
