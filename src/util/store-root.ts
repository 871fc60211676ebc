import { isAbsolute, resolve } from 'node:path'
import { TsboxError } from '../base/error.js'

/** What decides where the store is. */
export interface StoreRootOptions {
  /** `--root`; relative to `cwd`. */
  root?: string | undefined
  env: Readonly<Record<string, string | undefined>>
  cwd: string
}

/**
 * Folder of the store: `--root`, else TSBOX_ROOT, else `$XDG_DATA_HOME/tsbox`, else `~/.local/share/tsbox`. A relative
 * XDG_DATA_HOME is ignored, as the specification asks.
 *
 * @throws TsboxError E_NO_HOME where nothing says where
 * @see XDG Base Directory Specification 0.8
 */
export function storeRoot({ root, env, cwd }: StoreRootOptions): string {
  const given = root || env.TSBOX_ROOT
  if (given) return resolve(cwd, given)
  if (env.XDG_DATA_HOME && isAbsolute(env.XDG_DATA_HOME)) return resolve(env.XDG_DATA_HOME, 'tsbox')
  if (env.HOME && isAbsolute(env.HOME)) return resolve(env.HOME, '.local/share/tsbox')
  throw new TsboxError('E_NO_HOME', 'find the store: neither HOME nor XDG_DATA_HOME nor TSBOX_ROOT is set', {
    hint: 'set HOME, or name a folder with --root or TSBOX_ROOT',
  })
}
