// Takes each defence of scripts/defences.mjs out of a copy of the tree, builds what that changes, runs the attack that it
// is there for, and demands that it succeeds: `node scripts/mutate.mjs [--only TEXT] [--quick] [--check]`.
// --check only looks whether each text is still there, once; --quick takes those that are marked so.
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { defences } from './defences.mjs'
import { linkHelper } from './link-helper.mjs'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const COPIED = [
  'bin',
  'dist',
  'fixtures',
  'scripts',
  'src',
  'test',
  'package.json',
  'package-lock.json',
  'tsconfig.json',
]
const LIMIT_MS = 600_000

const args = process.argv.slice(2)
const at = args.indexOf('--only')
const only = at < 0 ? '' : (args[at + 1] ?? '')
/** Why a defence can't be taken out of these sources; undefined where it can. */
function mismatch({ file, from, to }) {
  let text
  try {
    text = readFileSync(join(root, file), 'utf8')
  } catch {
    return `${file} is not there`
  }
  const count = text.split(from).length - 1
  if (count !== 1) return `${file} has its text ${count} times: ${JSON.stringify(from)}`
  return from === to ? 'nothing is taken out' : undefined
}

function chosen() {
  return defences.filter(
    (d) => (!only || `${d.what} ${d.file} ${d.test}`.includes(only)) && (!args.includes('--quick') || d.quick),
  )
}

/** The tree that is changed: everything but its packages is a copy. */
function makeTree() {
  const tree = mkdtempSync(join(tmpdir(), 'tsbox-mutate-'))
  for (const name of COPIED) cpSync(join(root, name), join(tree, name), { recursive: true })
  symlinkSync(join(root, 'node_modules'), join(tree, 'node_modules'))
  mkdirSync(join(tree, 'objects'))
  return tree
}

/** Makes dist/ that of the tree's sources. Objects of C files are kept: one that did not change is not compiled again. */
function build(tree, file) {
  if (file.startsWith('src/rootless/native/')) {
    linkHelper({
      dir: join(tree, 'src/rootless/native'),
      out: join(tree, 'dist/tsbox-helper'),
      objects: join(tree, 'objects'),
    })
    return
  }
  const built = spawnSync(process.execPath, [join(tree, 'scripts/build.mjs'), '--bundles'], {
    cwd: tree,
    encoding: 'utf8',
  })
  if (built.status !== 0) throw new Error(`it can't be built:\n${built.stdout}${built.stderr}`)
}

/** Runs tests of one file. @returns how many passed, failed and were skipped, and what was said */
function runTests(tree, test, pattern) {
  const ran = spawnSync(
    process.execPath,
    [join(tree, 'scripts/test.mjs'), '--only', test, `--test-name-pattern=${pattern}`],
    {
      cwd: tree,
      encoding: 'utf8',
      timeout: LIMIT_MS,
      killSignal: 'SIGKILL',
      env: { ...process.env, TSBOX_MUST_WORK: '', TSBOX_TEST_OUT: 'dist-test' },
    },
  )
  const count = (what) => Number(new RegExp(`^ℹ ${what} (\\d+)$`, 'm').exec(ran.stdout)?.[1] ?? 0)
  return { passed: count('pass'), failed: count('fail'), skipped: count('skipped'), output: ran.stdout + ran.stderr }
}

/** Without any change each attack must be seen to be beaten off, else its success would say nothing. */
function runUnchanged(tree, wanted) {
  const byTest = new Map()
  for (const d of wanted) byTest.set(d.test, [...new Set([...(byTest.get(d.test) ?? []), d.name])])
  for (const [test, names] of byTest) {
    const { passed, failed, output } = runTests(tree, test, names.map((n) => `(${n})`).join('|'))
    if (failed || !passed) throw new Error(`${test} does not pass as it is:\n${output}`)
    console.log(`unchanged: ${passed} of ${test} pass`)
  }
}

/** @returns what is wrong, or undefined where the attack succeeds without the defence */
function takeOut(tree, d) {
  const path = join(tree, d.file)
  const text = readFileSync(path, 'utf8')
  writeFileSync(
    path,
    text.replace(d.from, () => d.to),
  )
  try {
    build(tree, d.file)
    const { passed, failed, skipped, output } = runTests(tree, d.test, d.name)
    if (failed) return undefined
    if (!passed) return `no test ran (${skipped} skipped):\n${output}`
    return `${passed} of ${d.test} pass without it (${d.name})`
  } catch (err) {
    return err.message
  } finally {
    writeFileSync(path, text)
  }
}

function main() {
  const wanted = chosen()
  const broken = defences.map((d) => [d, mismatch(d)]).filter(([, why]) => why)
  for (const [d, why] of broken) console.error(`mutate: ${d.what}: ${why}`)
  if (broken.length || wanted.length === 0) return 1
  console.log(`${defences.length} defences are where scripts/defences.mjs says`)
  if (args.includes('--check')) return 0
  const tree = makeTree()
  process.on('exit', () => rmSync(tree, { recursive: true, force: true }))
  runUnchanged(tree, wanted)
  let survived = 0
  let lastKind = ''
  for (const d of wanted) {
    const started = Date.now()
    const kind = d.file.startsWith('src/rootless/native/') ? 'native' : 'bundles'
    // What the one before changed in the other half is put back.
    if (lastKind && lastKind !== kind) build(tree, lastKind === 'native' ? 'src/rootless/native/' : 'src/')
    lastKind = kind
    const why = takeOut(tree, d)
    if (why) survived++
    console.log(`${why ? 'SURVIVED' : 'caught'}  ${d.what} (${((Date.now() - started) / 1000).toFixed(1)} s)`)
    if (why) console.error(why)
  }
  console.log(`${wanted.length - survived} of ${wanted.length} defences are missed when they are gone`)
  return survived ? 1 : 0
}

process.exitCode = main()
