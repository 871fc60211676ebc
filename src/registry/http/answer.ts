import { TsboxError } from '../../base/error.js'
import type { HttpResponse } from './transport.js'

/** More of an error's body is not read. */
const MAX_ERROR_BYTES = 1 << 16

/** What a registry says is wrong. @see OCI distribution-spec 1.1, "Error Codes" */
export interface RegistryFault {
  status: number
  /** `MANIFEST_UNKNOWN`, or `''`. */
  code: string
  message: string
}

/** Reads the body of an answer, up to a size. @throws TsboxError E_REGISTRY_ANSWER where it is longer */
export async function readBody(answer: HttpResponse, maxBytes: number, what: string): Promise<Uint8Array> {
  const length = Number(answer.headers['content-length'] ?? 0)
  const tooLong = () => {
    answer.discard()
    return new TsboxError('E_REGISTRY_ANSWER', `read ${what}: more than ${maxBytes} bytes from "${answer.url.host}"`)
  }
  if (length > maxBytes) throw tooLong()
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of answer.body()) {
    size += chunk.length
    if (size > maxBytes) throw tooLong()
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/** What an answer that is no success says; its body is read as far as it is one. */
export async function faultOf(answer: HttpResponse): Promise<RegistryFault> {
  const { status } = answer
  try {
    const text = Buffer.from(await readBody(answer, MAX_ERROR_BYTES, 'error')).toString()
    const first = (JSON.parse(text) as { errors?: { code?: unknown; message?: unknown }[] }).errors?.[0]
    return { status, code: plain(first?.code), message: plain(first?.message) }
  } catch {
    // HTML of a proxy, nothing at all, or a body that breaks off: the status says enough.
    return { status, code: '', message: '' }
  }
}

/** `404 MANIFEST_UNKNOWN: manifest unknown` */
export function describeFault({ status, code, message }: RegistryFault): string {
  return [`${status}${code ? ` ${code}` : ''}`, message].filter(Boolean).join(': ')
}

/** One line that a terminal can show. */
function plain(value: unknown): string {
  if (typeof value !== 'string') return ''
  return value.replace(/[\x00-\x1f\x7f-\x9f]+/g, ' ').slice(0, 300)
}
