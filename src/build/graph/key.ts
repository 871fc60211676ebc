import { canonicalJson, type Sha256 } from '../../base/hash.js'
import { redactRemote } from '../../base/url.js'
import type { Op, RunMount } from './vertex.js'

/** Raised when the meaning of a cached result changes, so that older records are not taken for it. */
const FORMAT = 1

/**
 * The part of a vertex's key that its operation makes: everything that can change the result, and no secret, proxy or
 * fact of the host.
 *
 * @returns lower-case hex SHA-256
 */
export function opKey(sha256: Sha256, op: Op, inputKeys: readonly string[]): string {
  return hashOf(sha256, { format: FORMAT, op: keyedFields(op), inputs: inputKeys })
}

/** Hash of any plain value, for keys of other kinds. */
export function hashOf(sha256: Sha256, value: unknown): string {
  return sha256().update(canonicalJson(value)).hex()
}

/** The fields of an operation that are part of its key. */
export function keyedFields(op: Op): unknown {
  switch (op.kind) {
    case 'image':
      // What its configuration says is in the operations that stand on it, as far as they see it.
      return { kind: op.kind, layers: op.image.layers.map((l) => l.diffID ?? l.snapshot) }
    case 'run': {
      const { hiddenEnv: _, stageShell: __, mounts, ...fields } = op
      return { ...fields, mounts: mounts.map(keyedMount) }
    }
    case 'git':
      return { ...op, source: { ...op.source, remote: redactRemote(op.source.remote) } }
    default:
      return op
  }
}

// What a cache mount holds is not an input; where it is mounted is.
function keyedMount(m: RunMount): unknown {
  if (m.type === 'secret') return { type: m.type, target: m.target, id: m.id, env: m.env }
  if (m.type === 'ssh') return { type: m.type, target: m.target, id: m.id }
  return m
}
