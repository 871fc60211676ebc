// What the emulation of ids costs: packages installed with one id and with many.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import esbuild from 'esbuild'
import { root } from '../bundle.mjs'
import { writeContext } from './builders.mjs'
import { race } from './measure.mjs'

const DEBIAN = 'tsbox-bench/debian'
const PACKAGES = 'tsbox-bench/packages'

/** The packages are in the image already: what is measured is their installation, not the network. */
const FETCH = `FROM ${DEBIAN}
COPY apt/ /etc/apt/
ENV DEBIAN_FRONTEND=noninteractive
RUN rm -f /etc/apt/apt.conf.d/docker-clean && apt-get update && apt-get install -y --no-install-recommends --download-only build-essential
`
const INSTALL = `FROM ${PACKAGES}\nRUN apt-get install -y --no-install-recommends --no-download build-essential\n`

const PROXIES = ['HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY']
  .flatMap((name) => [name, name.toLowerCase()])
  .filter((name) => process.env[name])
  .flatMap((name) => ['--build-arg', name])

/** The machine's own way to a release, by the code that the tests use for it. */
async function aptFiles(dir) {
  const outfile = join(dir, 'apt.mjs')
  const entry = join(root, 'test', 'helpers', 'apt.ts')
  await esbuild.build({
    entryPoints: [entry],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    logLevel: 'error',
  })
  return (await import(pathToFileURL(outfile))).aptFiles('bookworm')
}

function own(bench, ...args) {
  const done = spawnSync(bench.tsbox, args, { env: bench.env, encoding: 'utf8' })
  if (done.status !== 0) throw new Error(done.stderr.trim().split('\n').slice(-3).join(' | '))
}

/** @returns why it can't be measured */
function obstacle() {
  const { username, uid } = userInfo()
  const has = (file) => existsSync(file) && new RegExp(`^(${username}|${uid}):`, 'm').test(readFileSync(file, 'utf8'))
  if (!existsSync(process.env.TSBOX_TEST_DEBIAN ?? '')) return 'TSBOX_TEST_DEBIAN names no tar of a Debian root'
  if (!has('/etc/subuid') || !has('/etc/subgid')) return 'this user has no subordinate ids to compare with'
  return undefined
}

async function prepare(bench) {
  own(bench, 'import', process.env.TSBOX_TEST_DEBIAN, DEBIAN)
  const context = writeContext(bench, 'apt-fetch', FETCH)
  for (const [name, text] of Object.entries(await aptFiles(bench.dir))) {
    const path = join(context, 'apt', name)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, text)
  }
  own(bench, 'build', '-q', ...PROXIES, '-t', PACKAGES, context)
}

async function install(bench) {
  const unfit = (error) => [{ name: 'apt-get', times: [], error }]
  const why = obstacle()
  if (why) return unfit(why)
  try {
    await prepare(bench)
  } catch (err) {
    return unfit(err.message)
  }
  const context = writeContext(bench, 'apt-install', INSTALL)
  const build = (mode) => [bench.tsbox, 'build', '-q', '--no-cache', '--userns', mode, context]
  const contenders = [
    { name: 'tsbox', command: build('subid'), env: bench.env },
    { name: 'tsbox, one id', command: build('single'), env: bench.env },
  ]
  return race(contenders, { rounds: bench.rounds(5) })
}

export const idCases = [{ name: 'apt', title: 'apt-get install build-essential', run: install }]
