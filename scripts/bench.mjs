// Measures tsbox beside its peers: `npm run bench [-- --only CASE,…] [--rounds FACTOR] [--json FILE] [--strict]`.
// --rounds 0.5 halves the number of runs of every case; --strict exits with 1 where a limit is missed or tsbox fails.
// docs/performance.md says how to read the result.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { cpus, loadavg, release, tmpdir } from 'node:os'
import { join } from 'node:path'
import { cases } from './bench/cases.mjs'
import { judge } from './bench/limits.mjs'
import { race, summary } from './bench/measure.mjs'
import { findPeers, removePeers } from './bench/peers.mjs'
import { caseTable, limitTable } from './bench/report.mjs'
import { root } from './bundle.mjs'

const argv = process.argv.slice(2)
const option = (name) => (argv.includes(name) ? argv[argv.indexOf(name) + 1] : undefined)
const only = option('--only')?.split(',')
const factor = Number(option('--rounds') ?? 1)
const chosen = cases.filter((c) => !only || only.includes(c.name))
if (chosen.length === 0) {
  console.error(`no such case; there are: ${cases.map((c) => c.name).join(', ')}`)
  process.exit(2)
}

const dir = mkdtempSync(join(tmpdir(), 'tsbox-bench-'))
const env = { ...process.env, TSBOX_ROOT: join(dir, 'store') }
const tsbox = join(root, 'bin', 'tsbox')
const base = 'tsbox-bench/base'

/** Runs tsbox for the setting, not for the clock. */
function own(...args) {
  const done = spawnSync(tsbox, args, { env, encoding: 'utf8' })
  if (done.status !== 0) throw new Error(`tsbox ${args[0]} failed (${done.status ?? done.signal}): ${done.stderr}`)
  return done.stdout
}

function describeMachine(peers) {
  const installed = Object.values(peers).map((p) => ({
    name: p.name,
    version: p.version,
    driver: p.driver,
    missing: p.missing,
  }))
  return {
    cpu: cpus()[0]?.model,
    cores: cpus().length,
    kernel: release(),
    node: process.version,
    load: loadavg()[0],
    installed,
  }
}

function printMachine(machine) {
  console.log(`${machine.cpu}, ${machine.cores} cores, Linux ${machine.kernel}, Node ${machine.node}`)
  if (machine.load > machine.cores / 4)
    console.log(`the machine is busy (load ${machine.load.toFixed(1)}): ratios hold, milliseconds do not`)
  for (const p of machine.installed)
    console.log(
      p.missing ? `${p.name}: not measured: ${p.missing}` : `${p.version}${p.driver ? `, storage ${p.driver}` : ''}`,
    )
  console.log('')
}

async function measure(c, bench, results) {
  const runs = await c.run(bench)
  const done = runs
    .filter((r) => r.times.length > 0)
    .map((r) => ({ case: c.name, contender: r.name, ...summary(r.times) }))
  const errors = runs.filter((r) => r.error).map((r) => ({ case: c.name, contender: r.name, error: r.error }))
  results.push(...done)
  console.log(caseTable(c, done, errors))
  return errors
}

let peers = {}
const results = []
const errors = []
try {
  own('image', 'from-host', base, 'sh', 'true', 'sleep')
  const archive = join(dir, 'base.tar')
  own('save', '-o', archive, base)
  peers = findPeers(join(dir, 'peers'), archive)
  const machine = describeMachine(peers)
  printMachine(machine)
  // Whatever is compiled or written at a first start is not what is measured.
  await race([{ name: 'tsbox', command: [tsbox, '--version'], env }], { rounds: 2 })
  const bench = { dir, env, tsbox, base, peers, rounds: (n) => Math.max(2, Math.round(n * factor)) }
  for (const c of chosen) errors.push(...(await measure(c, bench, results)))
  const limits = judge(results)
  console.log(limitTable(limits))
  const json = option('--json')
  if (json) writeFileSync(json, `${JSON.stringify({ machine, results, errors, limits }, undefined, 2)}\n`)
  const failed = limits.some((l) => !l.pass) || errors.some((e) => e.contender.startsWith('tsbox'))
  if (failed && argv.includes('--strict')) process.exitCode = 1
} catch (err) {
  console.error(`bench: ${err.message}`)
  process.exitCode = 1
} finally {
  removePeers(peers, dir)
}
