// Builds the helper of a changed copy of the sources, quickly: scripts/mutate.mjs.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { staticCompiler } from './build-native.mjs'

/**
 * Links the helper of the sources in `dir` from objects, of which only those are made whose source is new. Warnings are
 * none of its business.
 *
 * @param {{ dir: string, out: string, objects: string }} folders `objects` keeps what was compiled
 */
export function linkHelper({ dir, out, objects }) {
  const [program, flags] = staticCompiler(process.arch, join(objects, 'try'))
  const names = readdirSync(dir)
  const headers = createHash('sha256')
  for (const name of names.filter((n) => n.endsWith('.h')).sort()) headers.update(readFileSync(join(dir, name)))
  const shared = headers.digest('hex')
  const made = names
    .filter((n) => n.endsWith('.c'))
    .map((name) => {
      const text = readFileSync(join(dir, name))
      const key = createHash('sha256').update(shared).update(text).digest('hex')
      const object = join(objects, `${name}.${key.slice(0, 16)}.o`)
      if (!existsSync(object)) run(program, ['-std=c11', '-w', ...flags, '-c', '-o', object, join(dir, name)])
      return object
    })
  run(program, [...flags, '-o', `${out}.new`, ...made])
  renameSync(`${out}.new`, out)
}

function run(program, args) {
  const ran = spawnSync(program, args, { encoding: 'utf8' })
  if (ran.status !== 0) throw new Error(`${program} failed:\n${ran.stderr}`)
}
