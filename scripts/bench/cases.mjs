// What is measured. Each case is `{ name, title, run(bench) }`; `run` returns the runs of its contenders, tsbox first.
import { existsSync } from 'node:fs'
import { builders, writeContext } from './builders.mjs'
import { containerCases } from './container-cases.mjs'
import { copyCases } from './copy-cases.mjs'
import { idCases } from './id-cases.mjs'
import { race } from './measure.mjs'
import { registryCases } from './registry-cases.mjs'

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
  ...containerCases,
  ...copyCases,
  ...idCases,
  ...registryCases,
]
