// What is measured. Each case is `{ name, title, run(bench) }`; `run` returns the runs of its contenders, tsbox first.
import { appendFileSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { race } from './measure.mjs'
import { buildWith } from './peers.mjs'

const NODE = [process.execPath, '-e', '0']
const CA_FILE = '/etc/ssl/certs/ca-certificates.crt'

/** The environment without, or with, extra certificates: Node reads such a file at every start. */
function caEnv(env, file) {
  const { NODE_EXTRA_CA_CERTS: _, ...rest } = env
  return file ? { ...rest, NODE_EXTRA_CA_CERTS: file } : rest
}

function version(bench) {
  const plain = caEnv(bench.env)
  const contenders = [
    { name: 'tsbox', command: [bench.tsbox, '--version'], env: plain },
    { name: 'node -e 0', command: NODE, env: plain },
  ]
  if (existsSync(CA_FILE)) {
    const extra = caEnv(bench.env, CA_FILE)
    contenders.push({ name: 'tsbox, extra CA', command: [bench.tsbox, '--version'], env: extra })
    contenders.push({ name: 'node -e 0, extra CA', command: NODE, env: extra })
  }
  return race(contenders, { rounds: bench.rounds(30) })
}

function start(bench) {
  const { podman, docker, bwrap } = bench.peers
  const run = (peer) => [...peer.global, 'run', '--rm', '--network', 'none', peer.image, 'true']
  const contenders = [
    { name: 'tsbox', command: [bench.tsbox, 'run', '--rm', bench.base, 'true'], env: bench.env },
    {
      name: 'tsbox, no network',
      command: [bench.tsbox, 'run', '--rm', '--network', 'none', bench.base, 'true'],
      env: bench.env,
    },
    { name: 'node -e 0', command: NODE, env: caEnv(bench.env) },
    ...[podman, docker].filter((p) => !p.missing).map((p) => ({ name: p.name, command: run(p) })),
    ...(bwrap.missing ? [] : [{ name: 'bwrap', command: bwrap.command }]),
  ]
  return race(contenders, { rounds: bench.rounds(15) })
}

/** tsbox and every peer that builds, with one Dockerfile. */
function builders(bench, context, options = {}) {
  const { podman, buildah, docker } = bench.peers
  const own = [
    'build',
    '-q',
    '--build-arg',
    `BASE=${bench.base}`,
    ...(options.cache === false ? ['--no-cache'] : []),
    context,
  ]
  return [
    { name: 'tsbox', command: [bench.tsbox, ...own], env: bench.env },
    ...[podman, buildah, docker]
      .filter((p) => !p.missing)
      .map((p) => ({ name: p.name, command: buildWith(p, context, options) })),
  ]
}

function writeContext(bench, name, dockerfile) {
  const dir = join(bench.dir, name)
  mkdirSync(dir, { recursive: true })
  writeFileSync(join(dir, 'Dockerfile'), dockerfile)
  return dir
}

const TEN_STEPS = `ARG BASE\nFROM \${BASE}\n${Array.from({ length: 10 }, (_, i) => `RUN echo ${i} > /file${i}\n`).join('')}`

function steps(bench) {
  const context = writeContext(bench, 'steps', TEN_STEPS)
  return race(builders(bench, context, { cache: false }), { rounds: bench.rounds(5) })
}

function cached(bench) {
  const context = writeContext(bench, 'cached', TEN_STEPS)
  // The warm-up round executes the steps; every counted one finds them.
  return race([...builders(bench, context), { name: 'node -e 0', command: NODE, env: caEnv(bench.env) }], {
    rounds: bench.rounds(15),
  })
}

const FOLDERS = 100
const FILES = 500
const FILE_BYTES = 4096

/** 50,000 files of 4 KB, each with content of its own. */
function writeManyFiles(dir) {
  const content = Buffer.alloc(FILE_BYTES)
  for (let i = 0; i < FILE_BYTES; i++) content[i] = 33 + ((i * 7919) % 90)
  for (let d = 0; d < FOLDERS; d++) {
    mkdirSync(join(dir, `d${d}`), { recursive: true })
    for (let f = 0; f < FILES; f++) {
      content.write(`${d}/${f} `.padEnd(16))
      writeFileSync(join(dir, `d${d}`, `f${f}`), content)
    }
  }
}

/** A context of many files for one kind of contender, so that a changed file of one does not slow another. */
function copyContext(bench) {
  const dir = join(bench.dir, 'many')
  if (!existsSync(dir)) {
    const context = writeContext(bench, 'many', 'FROM scratch\nCOPY data /data\n')
    writeManyFiles(join(context, 'data'))
  }
  return dir
}

function copyFirst(bench) {
  const context = copyContext(bench)
  const store = join(bench.dir, 'fresh-store')
  const contenders = builders(bench, context, { cache: false })
  // A store that never saw the files: neither layers nor remembered checksums.
  contenders[0].env = { ...bench.env, TSBOX_ROOT: store }
  contenders[0].before = () => rmSync(store, { recursive: true, force: true })
  return race(contenders, { rounds: bench.rounds(3), warm: false })
}

function copyUnchanged(bench) {
  return race(builders(bench, copyContext(bench)), { rounds: bench.rounds(5) })
}

function copyChanged(bench) {
  const context = copyContext(bench)
  const contenders = builders(bench, context).map((c) => ({
    ...c,
    before: (round) => appendFileSync(join(context, 'data', 'd50', 'f250'), `${c.name} ${round}\n`),
  }))
  return race(contenders, { rounds: bench.rounds(3) })
}

const STAGES = 8

function parallel(bench) {
  const stages = Array.from(
    { length: STAGES },
    (_, i) => `FROM \${BASE} AS s${i}\nRUN sleep 1 && echo ${i} > /out${i}\n`,
  )
  const copies = Array.from({ length: STAGES }, (_, i) => `COPY --from=s${i} /out${i} /\n`)
  const context = writeContext(bench, 'parallel', `ARG BASE\n${stages.join('')}FROM \${BASE}\n${copies.join('')}`)
  return race(builders(bench, context, { cache: false, jobs: STAGES }), { rounds: bench.rounds(3), warm: false })
}

export const cases = [
  { name: 'version', title: 'tsbox --version', run: version },
  { name: 'start', title: 'run --rm IMAGE true', run: start },
  { name: 'steps', title: '10 RUN steps, no cache', run: steps },
  { name: 'cached', title: 'the same 10 steps, all cached', run: cached },
  { name: 'parallel', title: '8 stages of RUN sleep 1', run: parallel },
  { name: 'copy-first', title: 'COPY of 50,000 files of 4 KB, first', run: copyFirst },
  { name: 'copy-unchanged', title: 'the same COPY, nothing changed', run: copyUnchanged },
  { name: 'copy-changed', title: 'the same COPY, one file changed', run: copyChanged },
]
