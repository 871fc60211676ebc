import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { TsboxError } from '../base/error.js'

/** Beside the bundles. A package has one for each machine, with its name for process.arch behind. */
const OWN = 'tsbox-helper'
const HERE = dirname(fileURLToPath(import.meta.url))

/** A file that the build puts beside the bundles: the helper, a worker. */
export function besideBundle(name: string, env: Readonly<Record<string, string | undefined>>): string {
  // Tests run from bundles of their own and say where the product is.
  const dirs = [env.TSBOX_DIST, HERE, join(HERE, '..')].filter((d) => d !== undefined)
  return dirs.map((d) => join(d, name)).find((p) => existsSync(p)) ?? join(HERE, name)
}

/** The C helper's executable: the one built here, else the package's for this machine. @throws TsboxError E_NO_HELPER */
export function helperPath(env: Readonly<Record<string, string | undefined>>): string {
  const named = env.TSBOX_HELPER
  const candidates = named ? [named] : [OWN, `${OWN}-${process.arch}`].map((name) => besideBundle(name, env))
  const path = candidates.find((p) => existsSync(p))
  if (path) return path
  throw new TsboxError(
    'E_NO_HELPER',
    `start the helper: it was never built for this machine (${process.arch}): "${candidates[0]}"`,
    {
      exitCode: 125,
      hint: `install a C compiler (apt-get install gcc libc6-dev) and run node ${join(HERE, '../scripts/build-native.mjs')}`,
    },
  )
}
