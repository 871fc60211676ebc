// Whole-process times: what a person waits for, from spawn to exit.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'

/** Runs once; milliseconds. Throws with the command's own words where it fails. */
export function time({ command, env = process.env, cwd }) {
  const options = { cwd, env, stdio: 'ignore' }
  const started = process.hrtime.bigint()
  const done = spawnSync(command[0], command.slice(1), options)
  const ms = Number(process.hrtime.bigint() - started) / 1e6
  if (done.status === 0) return ms
  const again = spawnSync(command[0], command.slice(1), { ...options, stdio: 'pipe', encoding: 'utf8' })
  const said = `${again.error?.message ?? ''}${again.stdout ?? ''}${again.stderr ?? ''}`.trim().split('\n').slice(-4)
  throw new Error(`${command.slice(0, 3).join(' ')} … failed (${done.status ?? done.signal}): ${said.join(' | ')}`)
}

/** One contender is run no further once it took this long: a peer that takes a minute needs no tenth time. */
const ENOUGH_MS = 40_000

let interrupted = false
for (const signal of ['SIGINT', 'SIGTERM'])
  process.on(signal, () => {
    interrupted = true
  })

/** Lets signals in between two runs. */
async function breathe() {
  await new Promise(setImmediate)
  if (interrupted) throw new Error('interrupted')
}

/**
 * Runs contenders in turn (A B C, then C B A, …), so that whatever else the machine does falls on all of them.
 *
 * A contender is `{ name, command, env?, cwd?, before? }`; `before(round)` is not timed. One that fails drops out and
 * keeps its error. The first round warms caches and is not counted where `warm` is true.
 *
 * @returns `{ name, times, error }` for each, in the order given
 */
export async function race(contenders, { rounds, warm = true }) {
  const runs = contenders.map(({ name }) => ({ name, times: [], error: undefined }))
  for (let round = warm ? -1 : 0; round < rounds; round++) {
    const order = contenders.map((_, i) => (round % 2 ? contenders.length - 1 - i : i))
    for (const i of order) {
      await breathe()
      if (runs[i].error || runs[i].times.reduce((sum, ms) => sum + ms, 0) > ENOUGH_MS) continue
      try {
        contenders[i].before?.(round)
        const ms = time(contenders[i])
        if (round >= 0) runs[i].times.push(ms)
      } catch (err) {
        runs[i].error = err.message
      }
    }
  }
  await breathe()
  return runs
}

const LOOK_EVERY_MS = 10

/**
 * Runs a contender once and watches the memory of its process and all below it.
 *
 * @returns as {@link race}, with the sum of the peaks in MB (10⁶ bytes) in place of a time
 */
export async function peakMemory({ name, command, env = process.env, before }) {
  before?.(0)
  const child = spawn(command[0], command.slice(1), { env, stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text) => {
    said += text
  })
  const peaks = new Map()
  const timer = setInterval(() => look(child.pid, peaks), LOOK_EVERY_MS)
  const [code] = await once(child, 'close').finally(() => clearInterval(timer))
  if (code !== 0) return [{ name, times: [], error: said.trim().split('\n').at(-1) }]
  return [{ name, times: [[...peaks.values()].reduce((sum, bytes) => sum + bytes, 0) / 1e6], error: undefined }]
}

/** The most memory that a process and those below it have had, which the kernel keeps. */
function look(pid, peaks) {
  try {
    const kilobytes = /^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
    if (kilobytes) peaks.set(pid, Number(kilobytes) * 1024)
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
    for (const child of children.split(' ').filter(Boolean)) look(Number(child), peaks)
  } catch {
    // It has just ended.
  }
}

/** Median, quartiles and minimum of times in milliseconds. */
export function summary(times) {
  const sorted = [...times].sort((a, b) => a - b)
  const at = (q) => {
    const place = (sorted.length - 1) * q
    const low = sorted[Math.floor(place)]
    return low + (sorted[Math.ceil(place)] - low) * (place % 1)
  }
  return { medianMs: at(0.5), p25Ms: at(0.25), p75Ms: at(0.75), minMs: sorted[0], rounds: sorted.length }
}
