/** A value as its signature says: structs and arrays are lists, dictionaries lists of pairs, 64 bits may be a bigint. */
export type DBusValue = number | bigint | boolean | string | Uint8Array | Variant | readonly DBusValue[]

/** A value that brings its type along. */
export interface Variant {
  signature: string
  value: DBusValue
}

/** @see D-Bus Specification, "Summary of D-Bus marshalling" */
const ALIGNMENT: Readonly<Record<string, number>> = {
  y: 1,
  g: 1,
  v: 1,
  n: 2,
  q: 2,
  b: 4,
  i: 4,
  u: 4,
  s: 4,
  o: 4,
  a: 4,
  x: 8,
  t: 8,
  d: 8,
  '(': 8,
  '{': 8,
}
const CLOSING: Readonly<Record<string, string>> = { '(': ')', '{': '}' }

/** Splits a signature into single complete types: `sa(sv)u` is `s`, `a(sv)`, `u`. @throws Error for a malformed one */
export function completeTypes(signature: string): string[] {
  const out: string[] = []
  for (let at = 0; at < signature.length; ) {
    const end = endOfType(signature, at)
    out.push(signature.slice(at, end))
    at = end
  }
  return out
}

function endOfType(signature: string, at: number): number {
  const code = signature[at]
  if (code === 'a') return endOfType(signature, at + 1)
  const closing = code === undefined ? undefined : CLOSING[code]
  if (closing === undefined) {
    if (code === undefined || !(code in ALIGNMENT)) throw new Error(`no D-Bus signature: "${signature}"`)
    return at + 1
  }
  let next = at + 1
  while (signature[next] !== closing) next = endOfType(signature, next)
  return next + 1
}

/** Puts values into bytes, little-endian, aligned from the beginning. */
export class MarshalWriter {
  private buffer = Buffer.alloc(512)
  private length = 0

  /** @param signature of as many values as there are in `values` */
  putAll(signature: string, values: readonly DBusValue[]): this {
    completeTypes(signature).forEach((type, i) => {
      this.put(type, values[i]!)
    })
    return this
  }

  align(to: number): this {
    this.room(to)
    while (this.length % to) this.buffer[this.length++] = 0
    return this
  }

  bytes(): Buffer {
    return this.buffer.subarray(0, this.length)
  }

  private put(type: string, value: DBusValue): void {
    const code = type[0]!
    this.align(ALIGNMENT[code]!)
    this.room(8)
    if (code === 'y') this.buffer[this.length++] = Number(value)
    else if (code === 'b') this.u32(value ? 1 : 0)
    else if (code === 'u' || code === 'i') this.u32(Number(value) >>> 0)
    else if (code === 't' || code === 'x')
      this.length = this.buffer.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value as number)), this.length)
    else if (code === 's' || code === 'o') this.text(value as string, 4)
    else if (code === 'g') this.text(value as string, 1)
    else if (code === 'v') this.variant(value as Variant)
    else if (code === 'a') this.array(type.slice(1), value as readonly DBusValue[] | Uint8Array)
    else if (code === '(' || code === '{') this.putAll(type.slice(1, -1), value as readonly DBusValue[])
    else throw new Error(`D-Bus type is not written here: "${type}"`)
  }

  private variant({ signature, value }: Variant): void {
    this.text(signature, 1)
    this.put(signature, value)
  }

  private array(type: string, items: readonly DBusValue[] | Uint8Array): void {
    const lengthAt = this.length
    this.u32(0)
    // The padding before the first element is not counted.
    this.align(ALIGNMENT[type[0]!]!)
    const start = this.length
    for (const item of items) this.put(type, item)
    this.buffer.writeUInt32LE(this.length - start, lengthAt)
  }

  private text(text: string, lengthBytes: 1 | 4): void {
    const bytes = Buffer.from(text)
    this.room(bytes.length + 5)
    if (lengthBytes === 4) this.u32(bytes.length)
    else this.buffer[this.length++] = bytes.length
    this.length += bytes.copy(this.buffer, this.length)
    this.buffer[this.length++] = 0
  }

  private u32(value: number): void {
    this.length = this.buffer.writeUInt32LE(value, this.length)
  }

  private room(more: number): void {
    if (this.length + more <= this.buffer.length) return
    this.buffer = Buffer.concat([this.buffer], 2 * (this.length + more))
  }
}

/** Takes values out of bytes. Reading beyond the end throws. */
export class MarshalReader {
  private readonly buffer: Buffer
  private readonly little: boolean
  at: number

  constructor(buffer: Buffer, little: boolean, at = 0) {
    this.buffer = buffer
    this.little = little
    this.at = at
  }

  takeAll(signature: string): DBusValue[] {
    return completeTypes(signature).map((type) => this.take(type))
  }

  align(to: number): void {
    this.at = Math.ceil(this.at / to) * to
  }

  private take(type: string): DBusValue {
    const code = type[0]!
    this.align(ALIGNMENT[code]!)
    if (code === 'y') return this.buffer.readUInt8(this.at++)
    if (code === 'b') return this.u32() !== 0
    if (code === 'u') return this.u32()
    if (code === 'i') return this.u32() | 0
    if (code === 'n' || code === 'q') return this.advance(2, (b, at) => b.readUInt16LE(at))
    if (code === 't' || code === 'x') return this.u64()
    if (code === 'd') return this.advance(8, (b, at) => b.readDoubleLE(at))
    if (code === 's' || code === 'o') return this.text(this.u32())
    if (code === 'g') return this.text(this.buffer.readUInt8(this.at++))
    if (code === 'v') {
      const signature = this.text(this.buffer.readUInt8(this.at++))
      return { signature, value: this.take(signature) }
    }
    if (code === 'a') return this.array(type.slice(1))
    return this.takeAll(type.slice(1, -1))
  }

  private array(type: string): DBusValue[] {
    const bytes = this.u32()
    this.align(ALIGNMENT[type[0]!]!)
    const end = this.at + bytes
    const out: DBusValue[] = []
    while (this.at < end) out.push(this.take(type))
    return out
  }

  private text(bytes: number): string {
    if (this.at + bytes >= this.buffer.length) throw new RangeError('D-Bus message ends within a string')
    const text = this.buffer.toString('utf8', this.at, this.at + bytes)
    this.at += bytes + 1
    return text
  }

  private u32(): number {
    return this.advance(4, (b, at) => (this.little ? b.readUInt32LE(at) : b.readUInt32BE(at)))
  }

  private u64(): bigint {
    return this.advance(8, (b, at) => (this.little ? b.readBigUInt64LE(at) : b.readBigUInt64BE(at)))
  }

  private advance<T>(bytes: number, read: (buffer: Buffer, at: number) => T): T {
    const value = read(this.buffer, this.at)
    this.at += bytes
    return value
  }
}
