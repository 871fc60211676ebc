// Builds every fixtures/compare/*.Dockerfile with tsbox and with buildah and compares what comes out, configuration and
// files: `node scripts/compare-buildah.mjs [--only NAME,…] [--verbose]`. Exits with 1 where something differs that
// scripts/compare/differences.mjs does not name, with 77 where buildah can't be used here. docs/buildah.md says more.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findTool, removePeers } from './bench/peers.mjs'
import { root } from './bundle.mjs'
import { writeBaseContext, writeContext } from './compare/context.mjs'
import { difference } from './compare/diff.mjs'
import { DELIBERATE, EVERYWHERE } from './compare/differences.mjs'
import { readImage } from './compare/image.mjs'

const argv = process.argv.slice(2)
const only = argv.includes('--only') ? argv[argv.indexOf('--only') + 1]?.split(',') : undefined
const verbose = argv.includes('--verbose')
const cases = join(root, 'fixtures/compare')
const names = readdirSync(cases)
  .filter((f) => f.endsWith('.Dockerfile'))
  .map((f) => f.replace('.Dockerfile', ''))
  .filter((n) => !only || only.includes(n))

const dir = mkdtempSync(join(tmpdir(), 'tsbox-compare-'))
const context = join(dir, 'context')
const env = { ...process.env, TSBOX_ROOT: join(dir, 'store') }

function run(command, options = {}) {
  const done = spawnSync(command[0], command.slice(1), { encoding: 'utf8', env, timeout: 120_000, ...options })
  return { ok: done.status === 0, said: `${done.error?.message ?? ''}${done.stdout ?? ''}${done.stderr ?? ''}`.trim() }
}

function must(command, options) {
  const done = run(command, options)
  if (!done.ok) throw new Error(`${command.slice(0, 3).join(' ')} failed: ${done.said}`)
  return done.said
}

const tsbox = (...args) => [join(root, 'bin/tsbox'), ...args]

/** Builds the images that cases stand on, and hands them to buildah. */
function prepare() {
  const busybox = ['/bin/busybox', '/usr/bin/busybox'].find(existsSync)
  if (!busybox) return { missing: 'no static busybox: sudo apt-get install busybox-static' }
  const own = join(dir, 'base')
  mkdirSync(own)
  writeBaseContext(own, busybox)
  let buildah
  for (const name of ['base', 'onbuild']) {
    const reference = `docker.io/compare/${name}:latest`
    must(tsbox('build', '-q', '-t', `compare/${name}`, '-f', join(cases, 'images', `${name}.Dockerfile`), own))
    const archive = join(dir, `${name}.tar`)
    must(tsbox('save', '-o', archive, `compare/${name}`))
    buildah ??= findTool('buildah', join(dir, 'peer'), archive)
    if (buildah.missing) return buildah
    if (name === 'base') must([...buildah.global, 'tag', buildah.image, reference])
    else
      must([...buildah.global, 'tag', must([...buildah.global, 'pull', '-q', `docker-archive:${archive}`]), reference])
  }
  return buildah
}

async function buildOurs(name, file) {
  const archive = join(dir, `${name}-tsbox.tar`)
  const built = run(tsbox('build', '-q', '-t', `out/${name}`, '-f', file, context))
  if (!built.ok) return { failed: built.said }
  must(tsbox('save', '-o', archive, `out/${name}`))
  return take(archive)
}

async function buildTheirs(buildah, name, file) {
  const archive = join(dir, `${name}-buildah.tar`)
  const ignore = existsSync(`${file}.dockerignore`) ? ['--ignorefile', `${file}.dockerignore`] : []
  const options = ['--layers', '--format', 'docker', '--network', 'none', '--pull-never', ...buildah.runtime, ...ignore]
  const built = run([...buildah.global, 'bud', ...options, '-q', '-t', `out/${name}`, '-f', file, context])
  if (!built.ok) return { failed: built.said }
  must([...buildah.global, 'push', '-q', `out/${name}`, `docker-archive:${archive}:out/${name}`])
  return take(archive)
}

async function take(archive) {
  const image = await readImage(archive)
  rmSync(archive)
  return image
}

/** Lines that say what differs. */
async function compare(buildah, name) {
  const file = join(cases, `${name}.Dockerfile`)
  const mine = await buildOurs(name, file)
  const theirs = await buildTheirs(buildah, name, file)
  if (mine.failed || theirs.failed)
    return [mine.failed && `tsbox fails: ${mine.failed}`, theirs.failed && `buildah fails: ${theirs.failed}`].filter(
      Boolean,
    )
  return difference(mine, theirs)
}

/** What of it nobody meant. */
function judge(name, lines) {
  const left = lines.filter((line) => !EVERYWHERE.some((e) => e.at.some((p) => p.test(line))))
  const known = DELIBERATE[name]
  if (!known) return left
  const unmet = known.at.filter((p) => !left.some((line) => p.test(line))).map((p) => `no longer differs: ${p}`)
  return [...left.filter((line) => !known.at.some((p) => p.test(line))), ...unmet]
}

let buildah
let bad = 0
try {
  await writeContext(context)
  buildah = prepare()
  if (buildah.missing) {
    console.error(`buildah can't be used here: ${buildah.missing}`)
    process.exitCode = 77
  } else {
    console.log(`${buildah.version}, storage ${buildah.driver}`)
    for (const name of names) {
      const lines = await compare(buildah, name)
      const wrong = judge(name, lines)
      if (wrong.length) bad++
      console.log(`${wrong.length ? 'DIFFERS' : DELIBERATE[name] ? 'on purpose' : 'same'}  ${name}`)
      for (const line of verbose ? lines : wrong) console.log(`    ${line}`)
    }
    console.log(`${names.length} Dockerfiles, ${bad} with differences that nobody meant`)
    if (bad) process.exitCode = 1
  }
} finally {
  removePeers(buildah?.home ? { buildah } : {}, dir)
}
