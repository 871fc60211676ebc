import type { Descriptor } from '../oci/manifest.js'
import { Attempts } from './http/retry.js'
import { TransportError } from './http/transport.js'
import type { Repository } from './repository.js'

/**
 * A blob's bytes as they come, not verified. What breaks off is gone on with where it ended.
 *
 * @throws TsboxError E_REGISTRY_NOT_FOUND, E_REGISTRY_UNREACHABLE, E_REGISTRY_ANSWER, while iterating
 */
export async function* streamBlob(
  repository: Repository,
  blob: Descriptor,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const { connection } = repository
  const about = { action: 'read blob', what: `${repository.name}@${blob.digest}` }
  const attempts = new Attempts(connection.retry, signal)
  let offset = 0
  while (offset < blob.size) {
    try {
      const answer = await repository.askBlob(blob.digest, offset, signal)
      if (answer.status !== 200 && answer.status !== 206) throw await connection.refusal(about, answer)
      let skip = answer.status === 200 ? offset : 0
      try {
        for await (const chunk of answer.body()) {
          const part = chunk.subarray(Math.min(skip, chunk.length))
          skip -= chunk.length - part.length
          if (part.length === 0) continue
          offset += part.length
          if (offset > blob.size) throw connection.failure(about, `more than ${blob.size} bytes`, 'E_REGISTRY_ANSWER')
          attempts.progress()
          yield part
        }
      } finally {
        answer.discard()
      }
      if (offset < blob.size && !(await attempts.next()))
        throw connection.failure(about, `${offset} bytes instead of ${blob.size}`, 'E_REGISTRY_ANSWER')
    } catch (err) {
      if (!(err instanceof TransportError)) throw err
      if (!(await attempts.after(err))) throw connection.unreachable(about, err)
    }
  }
}
