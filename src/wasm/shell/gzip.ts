import { Gunzip, gzipSync } from 'fflate'
import { concatBytes } from '../../base/bytes.js'

/** The same bytes on every machine: no time, no name. */
export function gzip(data: Uint8Array): Uint8Array {
  return gzipSync(data, { level: 6, mtime: 0 })
}

/** Several members in a row are one content. @throws Error for what is no whole gzip */
export function gunzip(data: Uint8Array): Uint8Array {
  const chunks: Uint8Array[] = []
  const stream = new Gunzip((chunk) => chunks.push(chunk))
  if (data[0] !== 0x1f || data[1] !== 0x8b) throw new Error('not in gzip format')
  stream.push(data, true)
  return concatBytes(chunks)
}
