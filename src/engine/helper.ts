import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { TsboxError } from '../base/error.js'

const HERE = dirname(fileURLToPath(import.meta.url))

/** A file that the build puts beside the bundles: the helper, a worker. */
export function besideBundle(name: string, env: Readonly<Record<string, string | undefined>>): string {
  // Tests run from bundles of their own and say where the product is.
  const dirs = [env.TSBOX_DIST, HERE, join(HERE, '..')].filter((d) => d !== undefined)
  return dirs.map((d) => join(d, name)).find((p) => existsSync(p)) ?? join(HERE, name)
}

/** The C helper's executable. @throws TsboxError E_NO_HELPER */
export function helperPath(env: Readonly<Record<string, string | undefined>>): string {
  const path = env.TSBOX_HELPER ?? besideBundle('tsbox-helper', env)
  if (existsSync(path)) return path
  throw new TsboxError('E_NO_HELPER', `start the helper: it was never built: "${path}"`, {
    exitCode: 125,
    hint: 'install a C compiler (apt-get install gcc libc6-dev) and run npm run build',
  })
}
