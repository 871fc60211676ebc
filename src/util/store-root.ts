import { accessSync, constants, lstatSync, mkdirSync } from 'node:fs'
import { userInfo } from 'node:os'
import { dirname, isAbsolute, join, resolve } from 'node:path'
import { errnoCode, TsboxError } from '../base/error.js'

/** What decides where the store is. */
export interface StoreRootOptions {
  /** `--root`; relative to `cwd`. */
  root?: string | undefined
  env: Readonly<Record<string, string | undefined>>
  cwd: string
}

/** Where the store is. */
export interface StoreRoot {
  path: string
  /** Why it is not in the home folder, where nobody asked for another place. */
  instead?: string | undefined
}

/**
 * Folder of the store: `--root`, else TSBOX_ROOT, else `$XDG_DATA_HOME/tsbox`, else `~/.local/share/tsbox`. A relative
 * XDG_DATA_HOME is ignored, as the specification asks; without HOME the account's home counts. Where there is no home,
 * or one in which nothing can be made, a folder of this user's own below /var/tmp, TMPDIR or /tmp is made and taken.
 *
 * @throws TsboxError E_NO_HOME where there is no place at all
 * @see XDG Base Directory Specification 0.8
 */
export function storeRoot({ root, env, cwd }: StoreRootOptions): StoreRoot {
  const given = root || env.TSBOX_ROOT
  if (given) return { path: resolve(cwd, given) }
  if (env.XDG_DATA_HOME && isAbsolute(env.XDG_DATA_HOME)) return { path: resolve(env.XDG_DATA_HOME, 'tsbox') }
  const home = env.HOME && isAbsolute(env.HOME) ? env.HOME : accountHome()
  const path = home && resolve(home, '.local/share/tsbox')
  const instead = path ? unusable(path) : 'HOME is not set, and this user has no account'
  if (path && !instead) return { path }
  const uid = process.geteuid?.() ?? 0
  for (const dir of ['/var/tmp', env.TMPDIR, '/tmp']) {
    const own = dir && isAbsolute(dir) ? join(dir, `tsbox-${uid}`) : undefined
    if (own && takeOwn(own, uid)) return { path: own, instead }
  }
  throw new TsboxError(
    'E_NO_HOME',
    `find a place for the store: ${instead}, and nothing can be made in /var/tmp or /tmp`,
    {
      hint: 'set HOME to a folder that you may write to, or name one with --root or TSBOX_ROOT',
    },
  )
}

/** Home of the account; undefined for a uid without one, as containers are given. */
function accountHome(): string | undefined {
  try {
    return userInfo().homedir || undefined
  } catch {
    return undefined
  }
}

/** Why a folder neither is there nor can be made. */
function unusable(path: string): string | undefined {
  // What is there was used before: that it can't be written any more is for whoever writes to say.
  if (exists(path)) return undefined
  let above = dirname(path)
  while (!exists(above) && above !== '/') above = dirname(above)
  try {
    accessSync(above, constants.W_OK | constants.X_OK)
    return undefined
  } catch (err) {
    return `nothing can be made in "${above}": ${errnoCode(err)}`
  }
}

function exists(path: string): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) !== undefined
  } catch {
    // Behind a folder that is closed to us.
    return false
  }
}

/** Makes a folder that nobody else can enter, or takes the one of last time: never one that is another user's. */
function takeOwn(path: string, uid: number): boolean {
  try {
    mkdirSync(path, { mode: 0o700 })
  } catch (err) {
    if (errnoCode(err) !== 'EEXIST') return false
  }
  const st = lstatSync(path, { throwIfNoEntry: false })
  return st?.isDirectory() === true && st.uid === uid && (st.mode & 0o077) === 0
}
