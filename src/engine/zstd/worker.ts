/** A thread that packs one stream with zstd: WebAssembly would hold up everything else for seconds. */
import { parentPort, workerData } from 'node:worker_threads'
import { Zstd } from '@hpcc-js/wasm-zstd'
import type { ZstdInput, ZstdJob, ZstdOutput } from './message.js'
import { packerOf } from './packer.js'

const port = parentPort!
const opened = Zstd.load().then((zstd) => {
  copyAtOnce(zstd)
  return packerOf(zstd, (workerData as ZstdJob).level)
})

port.on('message', (input: ZstdInput) => {
  opened
    .then((packer) => answer(input.type === 'end' ? packer.end() : packer.add(input.chunk)))
    .catch((err: unknown) => post({ type: 'failed', message: String(err) }))
})

/** How the package takes what it made out of WebAssembly's memory. */
interface Heap {
  heapView(place: unknown): Uint8Array
  heapToUint8Array(place: unknown): Uint8Array
}

/**
 * The package copies its results through a list of numbers, which is nine tenths of its time; another version may do
 * better, and be left alone.
 */
function copyAtOnce(zstd: Zstd): void {
  const heap = (zstd as unknown as { _mainModule?: Partial<Heap> })._mainModule
  if (heap?.heapView && heap.heapToUint8Array) heap.heapToUint8Array = (place) => heap.heapView!(place).slice()
}

function answer(chunk: Uint8Array): void {
  post({ type: 'data', chunk }, [chunk.buffer as ArrayBuffer])
}

function post(message: ZstdOutput, transfer: ArrayBuffer[] = []): void {
  port.postMessage(message, transfer)
}
