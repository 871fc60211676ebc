// Containers: entering one, `exec` into one, and a hundred of them in the background.
import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs'
import { join } from 'node:path'
import esbuild from 'esbuild'
import { nodeBundle, root } from '../bundle.mjs'
import { race, time } from './measure.mjs'

const NODE = [process.execPath, '-e', '0']
const COUNT = 100

function run(command, env = process.env) {
  const done = spawnSync(command[0], command.slice(1), { env, encoding: 'utf8', maxBuffer: 1 << 26 })
  if (done.status === 0) return done.stdout
  throw new Error(`${command.slice(0, 3).join(' ')} … failed (${done.status ?? done.signal}): ${done.stderr.trim()}`)
}

/** From spawn to the first byte written inside, measured by a program that does nothing else: enter-driver.ts. */
async function enter(bench) {
  const rootfs = join(bench.dir, 'enter-root')
  for (const d of ['bin', 'proc', 'dev']) mkdirSync(join(rootfs, d), { recursive: true })
  const missing = (error) => [
    { name: 'tsbox', times: [], error },
    { name: 'bwrap', times: [], error },
  ]
  const busybox = ['/bin/busybox', '/usr/bin/busybox'].find((f) => spawnSync(f, ['true']).status === 0)
  if (!busybox || bench.peers.bwrap.missing) return missing('needs bubblewrap and busybox-static')
  copyFileSync(busybox, join(rootfs, 'bin/busybox'))
  const driver = join(bench.dir, 'enter-driver.mjs')
  const entry = join(root, 'scripts/bench/enter-driver.ts')
  await esbuild.build({ ...nodeBundle, entryPoints: [entry], outfile: driver, format: 'esm', define: {}, banner: {} })
  const helper = bench.env.TSBOX_HELPER ?? join(root, 'dist/tsbox-helper')
  const rounds = String(bench.rounds(60))
  const told = JSON.parse(run([process.execPath, driver, helper, rootfs, join(bench.dir, 'enter-work'), rounds]))
  return [
    { name: 'tsbox', times: told.helper, error: undefined },
    { name: 'bwrap', times: told.bwrap, error: undefined },
  ]
}

/** tsbox and podman, as far as they are here: how each runs, what it starts detached, and how all of that is removed. */
function engines(bench) {
  const { podman } = bench.peers
  const home = bench.env.TSBOX_ROOT
  const out = [{ name: 'tsbox', command: [bench.tsbox], env: bench.env, image: bench.base, home }]
  if (!podman.missing)
    out.push({ name: 'podman', command: podman.global, env: process.env, image: podman.image, home: podman.home })
  return out
}

const detach = (e, name) =>
  run([...e.command, 'run', '-d', '--network', 'none', '--name', name, e.image, 'sleep', '1000'], e.env)

/** At once: podman's `rm -f` waits for a program that does not mind SIGTERM. */
function discard(e, name) {
  run([...e.command, 'kill', name], e.env)
  run([...e.command, 'rm', '-f', name], e.env)
}

async function exec(bench) {
  const list = engines(bench)
  for (const e of list) detach(e, 'bench-exec')
  const { NODE_EXTRA_CA_CERTS: _, ...plain } = bench.env
  const contenders = list.map((e) => ({
    name: e.name,
    command: [...e.command, 'exec', 'bench-exec', 'true'],
    env: e.env,
  }))
  try {
    return await race([...contenders, { name: 'node -e 0', command: NODE, env: plain }], { rounds: bench.rounds(20) })
  } finally {
    for (const e of list) discard(e, 'bench-exec')
  }
}

function read(pid, file) {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8')
  } catch {
    return ''
  }
}

/** Which file a process executes, and how much memory that takes where it is in memory only. */
function executable(pid) {
  try {
    const path = readlinkSync(`/proc/${pid}/exe`)
    const st = statSync(`/proc/${pid}/exe`)
    return path.startsWith('/memfd:') ? { id: st.ino, kb: (st.blocks * 512) / 1024 } : undefined
  } catch {
    return undefined
  }
}

const pids = () => readdirSync('/proc').filter((n) => /^\d+$/.test(n))

function hasOpen(pid, folder) {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`).startsWith(folder))
  } catch {
    // Of another user, or gone.
    return false
  }
}

/** Processes that work in the bench's folder, and all below them, but for this one and its own. */
function processesIn(folder) {
  const all = pids().map((pid) => ({ pid, parent: /^PPid:\s+(\d+)/m.exec(read(pid, 'status'))?.[1] }))
  const found = new Set(
    all.map((p) => p.pid).filter((pid) => read(pid, 'cmdline').includes(folder) || hasOpen(pid, folder)),
  )
  found.delete(String(process.pid))
  for (let grown = true; grown; ) {
    grown = false
    for (const { pid, parent } of all)
      if (!found.has(pid) && found.has(parent)) {
        found.add(pid)
        grown = true
      }
  }
  return [...found]
}

/**
 * kB of containers without their own programs: the processes' parts of what they share (PSS), and programs that lie in
 * memory alone, mapped or not.
 */
function memoryOf(e) {
  const inMemory = new Map()
  let kb = 0
  for (const pid of processesIn(e.home)) {
    if (/^sleep\0/.test(read(pid, 'cmdline'))) continue
    kb += Number(/^Pss:\s+(\d+)/m.exec(read(pid, 'smaps_rollup'))?.[1] ?? 0)
    const program = executable(pid)
    if (program) inMemory.set(program.id, program.kb)
  }
  return { pss: (kb * 1024) / 1e6, all: ((kb + [...inMemory.values()].reduce((sum, n) => sum + n, 0)) * 1024) / 1e6 }
}

const pause = (ms) => new Promise((done) => setTimeout(done, ms))

const NAMES = Array.from({ length: COUNT }, (_, i) => `bench-${i}`)

/** Times of one container after another, each by every engine in turn: the machine's other load falls on all alike. */
async function startAll(list) {
  for (const name of NAMES)
    for (const m of name.endsWith('1') ? [...list].reverse() : list) {
      if (m.error) continue
      try {
        const began = process.hrtime.bigint()
        detach(m.engine, name)
        m.ms += Number(process.hrtime.bigint() - began) / 1e6
      } catch (err) {
        m.error = err.message
      }
    }
  // What is idle has had the time to be so.
  await pause(2500)
}

/** Stops and removes them, and looks for what is left. @throws where something is */
async function stopAll(m) {
  const { command, env, home } = m.engine
  const alive = run([...command, 'ps', '-q'], env)
    .trim()
    .split('\n').length
  if (alive !== COUNT) throw new Error(`${alive} of ${COUNT} containers are there`)
  m.mb = memoryOf(m.engine).all
  m.stopped = time({ command: [...command, 'stop', '-t', '0', ...NAMES], env })
  run([...command, 'rm', ...NAMES], env)
  await pause(500)
  const left = processesIn(home)
  const listed = run([...command, 'ps', '-aq'], env).trim()
  if (left.length || listed) throw new Error(`left behind: ${left.length} processes, containers: ${listed}`)
}

/** One measurement for three cases: it is long. */
let measured
async function hundreds(bench) {
  if (measured) return measured
  measured = engines(bench).map((engine) => ({ engine, name: engine.name, ms: 0, mb: 0, stopped: 0, error: undefined }))
  await startAll(measured)
  for (const m of measured) {
    if (m.error) continue
    try {
      await stopAll(m)
    } catch (err) {
      m.error = err.message
    }
  }
  return measured
}
const part = (key) => async (bench) =>
  (await hundreds(bench)).map((m) => ({ name: m.name, times: m.error ? [] : [m[key]], error: m.error }))

/** One container that does nothing: its monitor and init, or podman's conmon. */
async function idle(bench) {
  const out = []
  for (const e of engines(bench)) {
    detach(e, 'bench-idle')
    await pause(2500)
    out.push({ name: e.name, times: [memoryOf(e).pss], error: undefined })
    discard(e, 'bench-idle')
    await pause(500)
  }
  return out
}

export const containerCases = [
  { name: 'enter', title: 'spawn to first byte in new namespaces', run: enter },
  { name: 'exec', title: 'exec CONTAINER true', run: exec },
  { name: 'idle', title: 'PSS beside an idle program', unit: 'MB', run: idle },
  { name: 'hundred', title: `start ${COUNT} containers, detached`, run: part('ms') },
  { name: 'hundred-memory', title: 'memory of those, without their programs', unit: 'MB', run: part('mb') },
  { name: 'hundred-stop', title: 'stop them all', run: part('stopped') },
]
