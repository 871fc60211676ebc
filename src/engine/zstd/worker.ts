/** A thread that packs one stream with zstd: WebAssembly would hold up everything else for seconds. */
import { parentPort, workerData } from 'node:worker_threads'
import { Zstd } from '@hpcc-js/wasm-zstd'
import type { ZstdInput, ZstdJob, ZstdOutput } from './message.js'

const port = parentPort!
const opened = Zstd.load().then((zstd) => {
  zstd.reset()
  zstd.setCompressionLevel((workerData as ZstdJob).level)
  return zstd
})

port.on('message', (input: ZstdInput) => {
  opened
    .then((zstd) => answer(input.type === 'end' ? zstd.compressEnd() : zstd.compressChunk(input.chunk)))
    .catch((err: unknown) => post({ type: 'failed', message: String(err) }))
})

/** Copied out of WebAssembly's memory, so that it can be handed over. */
function answer(packed: Uint8Array): void {
  const chunk = packed.slice()
  post({ type: 'data', chunk }, [chunk.buffer])
}

function post(message: ZstdOutput, transfer: ArrayBuffer[] = []): void {
  port.postMessage(message, transfer)
}
