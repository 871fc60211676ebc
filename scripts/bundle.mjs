// What every bundle of ours has in common.
import { readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = join(dirname(fileURLToPath(import.meta.url)), '..')

/** Options of a bundle for Node: CommonJS, because Node 20 loads it faster than modules. */
export const nodeBundle = {
  bundle: true,
  platform: 'node',
  target: 'node20',
  format: 'cjs',
  logLevel: 'warning',
  absWorkingDir: root,
  define: { 'import.meta.url': 'importMetaUrl' },
  banner: { js: "const importMetaUrl=require('node:url').pathToFileURL(__filename).href;" },
}

/** All files below `dir` whose name ends with `suffix`, sorted. */
export function filesBelow(dir, suffix) {
  const out = []
  for (const e of readdirSync(dir, { withFileTypes: true })) {
    if (e.isDirectory()) out.push(...filesBelow(join(dir, e.name), suffix))
    else if (e.name.endsWith(suffix)) out.push(join(dir, e.name))
  }
  return out.sort()
}
