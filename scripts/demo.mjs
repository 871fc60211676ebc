// The main job of tsbox on a real input, offline and as an ordinary user: `npm run demo [-- --root FOLDER]`.
// Makes a base image of this machine's own programs, builds fixtures/demo on it twice, runs the result, looks at it and
// removes everything. Prints each command and what came of it; exits with 1 where anything is not as it must be.
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { root } from './bundle.mjs'

const PROGRAMS = 'sh cat chmod chown grep head id ls mkdir sed sha256sum sort wc'.split(' ')
const BASE = 'tsbox-demo/base'
const IMAGE = 'tsbox-demo/rain'

const given = process.argv.indexOf('--root')
const store = given > 0 ? process.argv[given + 1] : mkdtempSync(join(tmpdir(), 'tsbox-demo-'))
const tsbox = join(root, 'bin', 'tsbox')
// Only what a new user has: settings of the caller must not decide what the demo shows.
const env = { ...process.env, TSBOX_ROOT: store, NO_COLOR: '1' }
delete env.SOURCE_DATE_EPOCH

function quote(arg) {
  return /^[\w@%+=:,./{}-]+$/.test(arg) ? arg : `'${arg.replaceAll("'", "'\\''")}'`
}

/** Runs a command, showing it and its output; throws where its exit code is not the expected one. */
function run(args, { exitCode = 0, about } = {}) {
  if (about) console.log(`\n# ${about}`)
  console.log(`$ tsbox ${args.map(quote).join(' ')}`)
  const started = process.hrtime.bigint()
  return new Promise((resolve, reject) => {
    const child = spawn(tsbox, args, { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] })
    const out = { stdout: '', all: '' }
    for (const name of ['stdout', 'stderr'])
      child[name].setEncoding('utf8').on('data', (text) => {
        process[name].write(text)
        if (name === 'stdout') out.stdout += text
        out.all += text
      })
    child.on('error', reject)
    child.on('close', (code, signal) => {
      const ms = Number(process.hrtime.bigint() - started) / 1e6
      if (code !== exitCode) reject(new Error(`tsbox ${args[0]} ended with ${code ?? signal}, not ${exitCode}`))
      else resolve({ ...out, ms })
    })
  })
}

function check(condition, what) {
  if (!condition) throw new Error(`not as it must be: ${what}`)
}

const seconds = (ms) => `${(ms / 1000).toFixed(2)} s`
const imageId = async () => (await run(['inspect', '--format', '{{.Id}}', IMAGE])).stdout.trim()
const build = ['build', '--progress', 'plain', '--build-arg', `BASE=${BASE}`, '-t', IMAGE, 'fixtures/demo']

async function demo() {
  await run(['image', 'from-host', BASE, ...PROGRAMS], {
    about: "A base image of this machine's own programs: no registry, no download",
  })
  const first = await run(build, { about: 'Three stages: a WebAssembly program, a shell, and the image that is kept' })
  check(first.all.includes('12 bars, total 770, largest 83'), "the WebAssembly program's output is shown")
  const id = await imageId()
  check(/^sha256:[0-9a-f]{64}$/.test(id), `an image id, not "${id}"`)

  const again = await run(build, { about: 'The same again: nothing runs, the image is the same' })
  check(!again.all.includes('12 bars'), 'no step runs in the second build')
  check(again.all.includes('CACHED'), 'the second build says what was cached')
  check((await imageId()) === id, 'both builds have the same image id')
  console.log(`first build ${seconds(first.ms)}, second ${seconds(again.ms)}`)

  const ran = await run(['run', '--rm', '--network', 'none', IMAGE], { about: 'Run it, as the user that it made' })
  for (const line of [
    'user:    reader (1000:1000)',
    'folder:  /srv/site',
    'index.html: OK',
    'chart.svg: OK',
    'summary.txt: OK',
    'wettest month: July,83',
    'bars in the chart: 12',
  ])
    check(ran.stdout.includes(`${line}\n`), `the image prints "${line}"`)
  check(/^-\S+ +1 1000 1000 .* chart\.svg$/m.test(ran.stdout), 'files belong to the user that COPY --chown named')
  await run(['run', '--rm', '--network', 'none', IMAGE, 'sh', '-c', 'exit 42'], {
    exitCode: 42,
    about: "Exit codes are the program's own",
  })

  const listed = await run(['images'], { about: 'What is there now' })
  check(listed.stdout.includes(IMAGE) && listed.stdout.includes(BASE), 'both images are listed')
  const history = await run(['history', IMAGE])
  check(/CMD/.test(history.stdout) && /LABEL/.test(history.stdout), 'the history names the instructions')

  await run(['rmi', IMAGE, BASE], { about: 'Leave nothing behind' })
  await run(['system', 'prune', '-a', '-f'])
  check((await run(['images', '-q'])).stdout === '', 'no image is left')
}

/** A store of ours goes with all that is in it; what prune left there shows now. */
function removeStore() {
  rmSync(store, { recursive: true, force: true })
  check(!existsSync(store), `the store is gone: ${store}`)
}

try {
  await demo()
  if (given < 0) removeStore()
  console.log('\ndemo: everything is as it must be')
} catch (err) {
  console.error(`\ndemo: ${err.message}`)
  if (given < 0)
    console.error(`demo: the store was kept for a look; tsbox --root ${store} system prune -a -f empties it`)
  process.exitCode = 1
}
