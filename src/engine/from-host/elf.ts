import { TsboxError } from '../../base/error.js'
import type { ReadAt } from '../../layer/tar-reader.js'

/** What the loader would want to know of a program or library. */
export interface ElfFile {
  /** e_machine: 62 is x86-64, 183 AArch64. */
  machine: number
  /** PT_INTERP: path of the loader; undefined for a library or a static program. */
  interpreter: string | undefined
  /** DT_NEEDED, in order. */
  needed: string[]
  /** DT_RPATH, which counts only where there is no DT_RUNPATH. */
  rpath: string[]
  /** DT_RUNPATH. */
  runpath: string[]
}

const PT_LOAD = 1
const PT_DYNAMIC = 2
const PT_INTERP = 3
const DT_NEEDED = 1
const DT_STRTAB = 5
const DT_STRSZ = 10
const DT_RPATH = 15
const DT_RUNPATH = 29
/** More than any table of a real file. */
const MAX_TABLE_BYTES = 16 << 20

interface Segment {
  type: number
  offset: number
  address: number
  size: number
}

/**
 * Reads an ELF file of 64 bits, either byte order.
 *
 * @returns undefined for what is no ELF file
 * @throws TsboxError E_ELF_UNSUPPORTED for 32 bits, E_ELF_INVALID for a damaged one
 * @see elf(5)
 */
export function readElf(read: ReadAt, path: string): ElfFile | undefined {
  const file = new ElfReader(read, path)
  if (!file.hasMagic()) return undefined
  const segments = file.segments()
  const interp = segments.find((s) => s.type === PT_INTERP)
  const dynamic = segments.find((s) => s.type === PT_DYNAMIC)
  const tags = dynamic ? file.dynamicTags(dynamic, segments) : undefined
  return {
    machine: file.machine,
    interpreter: interp && file.text(interp),
    needed: tags?.all(DT_NEEDED) ?? [],
    rpath: paths(tags?.all(DT_RPATH)),
    runpath: paths(tags?.all(DT_RUNPATH)),
  }
}

function paths(values: string[] | undefined): string[] {
  return (values ?? []).flatMap((v) => v.split(':')).filter((p) => p !== '')
}

class ElfReader {
  readonly #read: ReadAt
  readonly #path: string
  readonly #head: DataView
  readonly #little: boolean

  constructor(read: ReadAt, path: string) {
    this.#read = read
    this.#path = path
    const bytes = new Uint8Array(64)
    read(bytes, 0)
    this.#head = new DataView(bytes.buffer)
    this.#little = bytes[5] === 1
  }

  hasMagic(): boolean {
    if (this.#head.getUint32(0) !== 0x7f454c46) return false
    if (this.#head.getUint8(4) === 2) return true
    throw new TsboxError('E_ELF_UNSUPPORTED', `read program: it is not of 64 bits: "${this.#path}"`)
  }

  get machine(): number {
    return this.#head.getUint16(18, this.#little)
  }

  segments(): Segment[] {
    const at = this.#number(this.#head, 32)
    const entrySize = this.#head.getUint16(54, this.#little)
    const count = this.#head.getUint16(56, this.#little)
    if (count > 0 && entrySize < 56) throw this.#invalid()
    const table = this.#bytes(at, entrySize * count)
    return Array.from({ length: count }, (_, i) => {
      const p = i * entrySize
      return {
        type: table.getUint32(p, this.#little),
        offset: this.#number(table, p + 8),
        address: this.#number(table, p + 16),
        size: this.#number(table, p + 32),
      }
    })
  }

  /** A segment's bytes as text without the closing NUL. */
  text(segment: Segment): string {
    if (segment.size > 4096) throw this.#invalid()
    return cString(this.#bytes(segment.offset, segment.size), 0)
  }

  dynamicTags(dynamic: Segment, segments: readonly Segment[]): { all(tag: number): string[] } {
    const table = this.#bytes(dynamic.offset, dynamic.size)
    const entries: [tag: number, value: number][] = []
    for (let p = 0; p + 16 <= table.byteLength; p += 16) {
      const tag = this.#number(table, p)
      if (tag === 0) break
      entries.push([tag, this.#number(table, p + 8)])
    }
    const value = (tag: number) => entries.find(([t]) => t === tag)?.[1]
    const address = value(DT_STRTAB)
    const size = value(DT_STRSZ) ?? 0
    if (address === undefined) return { all: () => [] }
    const strings = this.#bytes(this.#offsetOf(address, segments), size)
    return { all: (tag) => entries.filter(([t]) => t === tag).map(([, at]) => cString(strings, at)) }
  }

  /** The string table is named by its address in memory. */
  #offsetOf(address: number, segments: readonly Segment[]): number {
    const s = segments.find((x) => x.type === PT_LOAD && address >= x.address && address < x.address + x.size)
    if (!s) throw this.#invalid()
    return address - s.address + s.offset
  }

  #bytes(offset: number, size: number): DataView {
    if (!Number.isSafeInteger(offset) || size > MAX_TABLE_BYTES) throw this.#invalid()
    const bytes = new Uint8Array(size)
    if (this.#read(bytes, offset) < size) throw this.#invalid()
    return new DataView(bytes.buffer)
  }

  #number(view: DataView, at: number): number {
    const value = view.getBigUint64(at, this.#little)
    // Tags of processors use the upper half; nothing that is looked for does.
    return Number(value)
  }

  #invalid(): TsboxError {
    return new TsboxError('E_ELF_INVALID', `read program: damaged ELF file: "${this.#path}"`)
  }
}

function cString(view: DataView, from: number): string {
  const bytes = new Uint8Array(view.buffer)
  const end = bytes.indexOf(0, from)
  return new TextDecoder().decode(bytes.subarray(from, end < 0 ? bytes.length : end))
}
