// Bundles the tests and runs them with Node's own runner: `node scripts/test.mjs [--long] [--only TEXT] [runner options]`.
// --only runs the files whose path contains TEXT.
import { spawnSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { join, relative } from 'node:path'
import esbuild from 'esbuild'
import { filesBelow, nodeBundle, root } from './bundle.mjs'

const args = process.argv.slice(2)
const take = (flag) => {
  const i = args.indexOf(flag)
  return i < 0 ? undefined : args.splice(i, 2)[1]
}
const only = take('--only')
const long = args.includes('--long') && args.splice(args.indexOf('--long'), 1).length > 0
const files = filesBelow(join(root, 'test'), '.test.ts')
  .map((f) => relative(root, f))
  .filter((f) => f.startsWith('test/long/') === long && (!only || f.includes(only)))
const outdir = join(root, process.env.TSBOX_TEST_OUT ?? 'dist-test')
rmSync(outdir, { recursive: true, force: true })
await esbuild.build({
  ...nodeBundle,
  entryPoints: files.map((f) => ({ in: f, out: f.replace(/\.ts$/, '') })),
  outdir,
  outExtension: { '.js': '.cjs' },
  sourcemap: 'inline',
  external: ['esbuild', 'wabt'],
})
const run = spawnSync(
  process.execPath,
  [
    '--enable-source-maps',
    '--test',
    '--test-concurrency=2',
    ...args,
    ...files.map((f) => join(outdir, f.replace(/\.ts$/, '.cjs'))),
  ],
  { stdio: 'inherit', cwd: root, env: { ...process.env, TSBOX_REPO: root } },
)
process.exit(run.status ?? 1)
