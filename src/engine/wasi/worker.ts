/** Thread that runs one WASI command: it alone is blocked while the guest computes, and dies when the guest must. */
import { randomFillSync } from 'node:crypto'
import { parentPort, workerData } from 'node:worker_threads'
import { TsboxError } from '../../base/error.js'
import { contentSha256 } from '../../util/hash.js'
import { type Clock, virtualClock } from '../../wasm/clock.js'
import { runCommand } from '../../wasm/command.js'
import type { CommandMount } from '../../wasm/mounts.js'
import { seededRandom } from '../../wasm/random.js'
import { tarLower } from './lower.js'
import type { Job, JobMount, Message } from './message.js'

const port = parentPort!

/** Sends a chunk away; its memory goes with it. */
function sendChunk(type: 'stdout' | 'stderr' | 'data', chunk: Uint8Array): void {
  const owned = chunk as Uint8Array<ArrayBuffer>
  port.postMessage({ type, chunk: owned } satisfies Message, [owned.buffer])
}

function send(message: Message): void {
  port.postMessage(message)
}

const machineClock: Clock = {
  realtime: () => BigInt(Date.now()) * 1_000_000n,
  monotonic: () => process.hrtime.bigint(),
  sleep(ns) {
    // Nobody ever notifies: this thread sleeps.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, Number(ns) / 1e6)
  },
}

function openMount(mount: JobMount): CommandMount {
  return mount.type === 'bind' ? { ...mount, source: tarLower(mount.layers) } : mount
}

function run(job: Job): void {
  const { epoch } = job
  const result = runCommand(
    { ...job, mounts: job.mounts.map(openMount) },
    {
      lower: tarLower(job.layers),
      clock: epoch === undefined ? machineClock : virtualClock(epoch),
      random:
        epoch === undefined ? (into) => void randomFillSync(into) : seededRandom(`${epoch} ${job.args.join('\0')}`),
      sha256: contentSha256,
      stdout: (chunk) => sendChunk('stdout', chunk),
      stderr: (chunk) => sendChunk('stderr', chunk),
    },
  )
  if (result.exitCode === 0)
    for (const { entry, content } of result.changes) {
      send({ type: 'entry', entry })
      for (const chunk of content ?? []) sendChunk('data', chunk)
    }
  send({ type: 'done', exitCode: result.exitCode })
}

try {
  run(workerData as Job)
} catch (err) {
  // A bug ends the thread with its stack; an expected failure crosses as data.
  if (!(err instanceof TsboxError)) throw err
  const { code, message, hint, exitCode } = err
  send({ type: 'failed', code, message, hint, exitCode })
}
