// Bundles the tests and runs them with Node's own runner: `node scripts/test.mjs [--long] [--only TEXT] [runner options]`.
// --only runs the files whose path contains TEXT. Skipped tests are listed at the end with what to install for them;
// TSBOX_MUST_WORK=1 makes a skipped test a failure.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
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
if (files.length === 0) {
  console.error(`no ${long ? 'long ' : ''}test file has "${only}" in its path`)
  process.exit(2)
}
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

const notes = mkdtempSync(join(tmpdir(), 'tsbox-test-'))
const tap = join(notes, 'tap')
const run = spawnSync(
  process.execPath,
  [
    ...['--enable-source-maps', '--test', '--test-concurrency=2'],
    ...['--test-reporter=tap', `--test-reporter-destination=${tap}`],
    ...['--test-reporter=spec', '--test-reporter-destination=stdout'],
    ...args,
    ...files.map((f) => join(outdir, f.replace(/\.ts$/, '.cjs'))),
  ],
  { stdio: 'inherit', cwd: root, env: { ...process.env, TSBOX_REPO: root } },
)
const skipped = existsSync(tap) ? [...readFileSync(tap, 'utf8').matchAll(/^ *ok \d+ - (.*?) # SKIP ?(.*)$/gm)] : []
rmSync(notes, { recursive: true, force: true })
const reasons = new Map()
for (const [, name, why] of skipped) reasons.set(why, [...(reasons.get(why) ?? []), name])
for (const [why, names] of reasons) {
  console.error(`\nskipped ${names.length}: ${why || 'no reason given'}`)
  for (const name of names.slice(0, 5)) console.error(`  - ${name}`)
  if (names.length > 5) console.error(`  … and ${names.length - 5} more`)
}
if (skipped.length && process.env.TSBOX_MUST_WORK === '1') {
  console.error(`\n${skipped.length} test(s) were skipped, and TSBOX_MUST_WORK=1 allows none`)
  process.exit(1)
}
process.exit(run.status ?? 1)
