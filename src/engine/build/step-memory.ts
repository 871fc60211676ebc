import { TsboxError } from '../../base/error.js'
import { canonicalJson } from '../../base/hash.js'
import { type BuildRecord, decodeRecord, encodeRecord, recordSteps } from '../../build/explain/record.js'
import type { Vertex } from '../../build/graph/vertex.js'
import type { BuildHost } from '../../build/seams.js'
import type { Solver } from '../../build/solve/solver.js'
import { sha256Hex } from '../../util/hash.js'
import type { BuildRequest } from '../api.js'
import type { Workshop } from '../layers/workshop.js'

/** A build whose steps have ended. */
export interface SolvedBuild {
  target: Vertex
  solver: Solver
}

/**
 * Remembers what the steps of a build were made from, and where it is asked for says what has changed since the last
 * build of the same Dockerfile and target. Of a build that the user ended nothing is remembered.
 */
export async function rememberSteps(
  shop: Workshop,
  request: BuildRequest,
  host: BuildHost,
  { target, solver }: SolvedBuild,
): Promise<void> {
  const { store, lease } = shop
  const id = sha256Hex(canonicalJson(identityOf(request))).slice(0, 32)
  try {
    const before = store.builds.read(id)
    const cached = (key: string) => store.cache.get(key)?.layer
    const record = recordSteps(target, solver, { sha256: host.sha256, cached })
    if (request.explain) {
      const { tellReasons } = await import('./tell-reasons.js')
      await tellReasons(host, request, { target, solver }, { now: record, before: decoded(before) })
    }
    if (!request.signal.aborted) store.builds.write(id, encodeRecord(record), { before, lease, nowMs: host.nowMs() })
  } catch (err) {
    // A memory for the next build: neither a full disk nor files that went may make this one fail.
    if (!(err instanceof TsboxError)) throw err
  }
}

/** What makes a build the continuation of another. A Dockerfile on standard input continues what has its first name. */
function identityOf({ context, contextStream, file, dockerfileText, target, platform, tags }: BuildRequest): unknown {
  const piped = contextStream !== undefined || dockerfileText !== undefined
  return { context, file: file ?? `${context}/Dockerfile`, target, platform, tag: piped ? tags[0] : undefined }
}

function decoded(text: string | undefined): BuildRecord | undefined {
  if (text === undefined) return undefined
  try {
    return decodeRecord(JSON.parse(text))
  } catch {
    // A crash of the machine may have cut it short.
    return undefined
  }
}
