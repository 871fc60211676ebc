import { concatBytes, decodeName } from '../base/bytes.js'
import { TsboxError } from '../base/error.js'

const encoder = new TextEncoder()

/**
 * Records of a pax extended header, in the order given: `LENGTH KEY=VALUE\n`, LENGTH counting itself.
 *
 * @see POSIX.1-2017, pax, "pax Extended Header"
 */
export function encodePax(records: readonly (readonly [key: string, value: Uint8Array | string])[]): Uint8Array {
  const parts: Uint8Array[] = []
  for (const [key, value] of records) {
    const bytes = typeof value === 'string' ? encoder.encode(value) : value
    const rest = encoder.encode(` ${key}=`)
    let size = rest.length + bytes.length + 1
    // The length's own digits may carry it over a power of ten.
    const digits = String(size + String(size).length).length
    size += digits
    parts.push(encoder.encode(String(size)), rest, bytes, Uint8Array.of(0x0a))
  }
  return concatBytes(parts)
}

/**
 * Calls `record` for each record; an empty value takes back an earlier one. Values are bytes: attributes are binary, and
 * names need not be UTF-8.
 *
 * @throws TsboxError E_TAR_INVALID
 */
export function decodePax(body: Uint8Array, record: (key: string, value: Uint8Array) => void): void {
  for (let at = 0; at < body.length; ) {
    let size = 0
    let i = at
    for (; i < body.length && body[i]! >= 0x30 && body[i]! <= 0x39 && i - at < 8; i++)
      size = size * 10 + body[i]! - 0x30
    const end = at + size
    const equals = body.indexOf(0x3d, i)
    if (i === at || body[i] !== 0x20 || end > body.length || equals < 0 || equals >= end || body[end - 1] !== 0x0a)
      throw new TsboxError('E_TAR_INVALID', 'read tar: malformed pax header')
    record(decodeName(body.subarray(i + 1, equals)), body.subarray(equals + 1, end - 1))
    at = end
  }
}
