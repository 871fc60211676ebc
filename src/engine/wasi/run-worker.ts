import { Worker } from 'node:worker_threads'
import { TsboxError } from '../../base/error.js'
import type { CommandSink } from '../../wasm/executor.js'
import type { Job, Message } from './message.js'

/**
 * Runs a job in a thread of its own.
 *
 * @param workerFile the bundled worker
 * @returns the exit code, once the sink has everything
 * @throws TsboxError as runCommand; whatever the sink throws; the signal's reason, after the thread was ended
 */
export async function runInWorker(
  workerFile: string,
  job: Job,
  sink: CommandSink,
  signal: AbortSignal,
): Promise<number> {
  signal.throwIfAborted()
  const worker = new Worker(workerFile, { workerData: job })
  let stop = () => {}
  try {
    return await new Promise<number>((resolve, reject) => {
      stop = () => reject(signal.reason)
      signal.addEventListener('abort', stop)
      worker.on('message', (message: Message) => {
        try {
          deliver(message, sink, resolve)
        } catch (err) {
          // Several messages come in one turn: none may follow the one that failed.
          worker.removeAllListeners('message')
          reject(err)
        }
      })
      worker.on('error', reject)
      worker.on('exit', () => reject(new Error('the thread of a WebAssembly step ended early')))
    })
  } finally {
    signal.removeEventListener('abort', stop)
    // What is still on its way must not reach a sink whose owner has moved on.
    worker.removeAllListeners('message')
    await worker.terminate()
  }
}

function deliver(message: Message, sink: CommandSink, done: (exitCode: number) => void): void {
  if (message.type === 'entry') sink.entry(message.entry)
  else if (message.type === 'done') done(message.exitCode)
  else if (message.type !== 'failed') sink[message.type](message.chunk)
  else throw new TsboxError(message.code, message.message, { hint: message.hint, exitCode: message.exitCode })
}
