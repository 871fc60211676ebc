/**
 * File names are bytes, JavaScript strings are not. Names decode as UTF-8, and every byte that is not valid UTF-8
 * becomes a lone low surrogate U+DC80..U+DCFF (Python's `surrogateescape`, PEP 383), so that names compare and split as
 * strings do and come back byte for byte.
 */
const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const encoder = new TextEncoder()

/** Bytes of a name → string; lossless for any bytes. */
export function decodeName(bytes: Uint8Array): string {
  // Arguments go on the stack, and most names are short.
  let ascii = bytes.length <= 1024
  for (let i = 0; ascii && i < bytes.length; i++) if (bytes[i]! > 127) ascii = false
  if (ascii) return String.fromCharCode.apply(null, bytes as unknown as number[])
  try {
    return strict.decode(bytes)
  } catch {
    return escapeInvalid(bytes)
  }
}

function escapeInvalid(bytes: Uint8Array): string {
  let out = ''
  for (let i = 0; i < bytes.length; ) {
    const length = sequenceLength(bytes, i)
    if (length === 0) out += String.fromCharCode(0xdc00 + bytes[i++]!)
    else {
      out += strict.decode(bytes.subarray(i, i + length))
      i += length
    }
  }
  return out
}

function sequenceLength(bytes: Uint8Array, at: number): number {
  for (let length = 1; length <= 4 && at + length <= bytes.length; length++) {
    try {
      strict.decode(bytes.subarray(at, at + length))
      return length
    } catch {}
  }
  return 0
}

/** String of a name → its bytes; the inverse of {@link decodeName}. */
export function encodeName(name: string): Uint8Array {
  if (!/[\udc80-\udcff]/.test(name)) return encoder.encode(name)
  const parts: Uint8Array[] = []
  let size = 0
  const push = (b: Uint8Array) => {
    parts.push(b)
    size += b.length
  }
  let from = 0
  for (let i = 0; i < name.length; i++) {
    const c = name.charCodeAt(i)
    const lone = c >= 0xdc80 && c <= 0xdcff && !isHighSurrogate(name.charCodeAt(i - 1))
    if (!lone) continue
    if (i > from) push(encoder.encode(name.slice(from, i)))
    push(Uint8Array.of(c - 0xdc00))
    from = i + 1
  }
  if (from < name.length) push(encoder.encode(name.slice(from)))
  const out = new Uint8Array(size)
  let at = 0
  for (const p of parts) {
    out.set(p, at)
    at += p.length
  }
  return out
}

function isHighSurrogate(code: number): boolean {
  return code >= 0xd800 && code <= 0xdbff
}

/** Bytewise order of two names, the order of entries in a layer. */
export function compareNames(a: string, b: string): number {
  if (a === b) return 0
  // UTF-16 order differs from byte order only where surrogates are involved.
  if (!/[\ud800-\udfff]/.test(a) && !/[\ud800-\udfff]/.test(b)) return a < b ? -1 : 1
  const x = encodeName(a)
  const y = encodeName(b)
  const n = Math.min(x.length, y.length)
  for (let i = 0; i < n; i++) if (x[i] !== y[i]) return x[i]! - y[i]!
  return x.length - y.length
}

/** Sorts names, or paths of one directory, by {@link compareNames}; in place. */
export function sortNames(names: string[]): string[] {
  // Without surrogates, which are rare, the order of strings is that of their bytes, and the engine's own sort is fast.
  return names.some((name) => /[\ud800-\udfff]/.test(name)) ? names.sort(compareNames) : names.sort()
}

/** Concatenates chunks into one array. */
export function concatBytes(chunks: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(chunks.reduce((n, c) => n + c.length, 0))
  let at = 0
  for (const c of chunks) {
    out.set(c, at)
    at += c.length
  }
  return out
}
