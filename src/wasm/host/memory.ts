import { decodeName } from '../../base/bytes.js'
import { VfsError } from '../vfs/error.js'

/** A guest's memory. Views are made anew after every growth; an address outside of it throws RangeError. */
export class GuestMemory {
  readonly #memory: WebAssembly.Memory
  #view: DataView
  #bytes: Uint8Array

  constructor(memory: WebAssembly.Memory) {
    this.#memory = memory
    this.#view = new DataView(memory.buffer)
    this.#bytes = new Uint8Array(memory.buffer)
  }

  get view(): DataView {
    this.#refresh()
    return this.#view
  }

  #refresh(): void {
    if (this.#view.buffer === this.#memory.buffer) return
    this.#view = new DataView(this.#memory.buffer)
    this.#bytes = new Uint8Array(this.#memory.buffer)
  }

  /** The bytes themselves, not a copy. @throws RangeError */
  slice(pointer: number, length: number): Uint8Array {
    this.#refresh()
    const start = pointer >>> 0
    const end = start + (length >>> 0)
    if (end > this.#bytes.length) throw new RangeError('outside of memory')
    return this.#bytes.subarray(start, end)
  }

  /** A path argument; names that are not UTF-8 stay what they are. @throws VfsError EINVAL for one with a NUL */
  path(pointer: number, length: number): string {
    const bytes = this.slice(pointer, length)
    if (bytes.includes(0)) throw new VfsError('EINVAL')
    return decodeName(bytes)
  }

  /** The pieces that a list of (pointer, length) pairs names. */
  pieces(pointer: number, count: number): Uint8Array[] {
    const { view } = this
    const out: Uint8Array[] = []
    for (let at = pointer >>> 0, i = 0; i < count; i++, at += 8)
      out.push(this.slice(view.getUint32(at, true), view.getUint32(at + 4, true)))
    return out
  }
}
