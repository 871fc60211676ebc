import { canonicalJson, type Sha256 } from '../../base/hash.js'
import { redactUrl } from '../../base/url.js'
import { soundsSecret } from '../dockerfile/checks/secrets.js'
import { keyedFields } from '../graph/key.js'
import { type Op, topological, type Vertex } from '../graph/vertex.js'
import type { Layer } from '../seams.js'
import type { Solver } from '../solve/solver.js'

/** What is remembered of a step, for the next build to be compared with. */
export interface StepRecord {
  /** Label of its stage; absent for images, contexts and the empty root. */
  stage?: string | undefined
  /** As progress shows it; `''` for what is not shown. */
  name: string
  /** Fields of the operation that are part of its key; what sounds like a secret is a hash. */
  op: { kind: Op['kind'] } & Readonly<Record<string, unknown>>
  /** Indexes of the steps that it stands on or takes files from. */
  inputs: readonly number[]
  /** Outward key, where it was found. */
  key?: string | undefined
  /** What it added. The files may be gone from the store by the time it is looked at. */
  layer?: Layer | undefined
  failed?: true
}

/** The steps of one build, inputs before users. */
export interface BuildRecord {
  format: 1
  steps: StepRecord[]
}

/** What {@link recordSteps} needs. */
export interface RecordWorld {
  sha256: Sha256
  /** The layer that the store's cache has under a key. */
  cached(key: string): Layer | undefined
}

/** Describes a build that has ended. Equal builds give equal records. */
export function recordSteps(target: Vertex, solver: Solver, world: RecordWorld): BuildRecord {
  const vertices = topological(target)
  const indexes = new Map(vertices.map((v, i) => [v, i]))
  const steps = vertices.map((v): StepRecord => {
    const key = solver.knownKeys.get(v)
    const layer = solver.ownLayers.get(v) ?? cachedCopy(v, key, world)
    return {
      ...(v.stage === undefined ? {} : { stage: v.stage }),
      name: v.name,
      op: recordedOp(v.op, world.sha256),
      inputs: v.inputs.map((i) => indexes.get(i)!),
      ...(key === undefined ? {} : { key }),
      ...(layer === undefined ? {} : { layer: layerRef(layer) }),
      ...(solver.outcomes.get(v) === 'failed' ? { failed: true as const } : {}),
    }
  })
  return { format: 1, steps }
}

/** One line of text, the same for the same record. */
export function encodeRecord(record: BuildRecord): string {
  return canonicalJson(record)
}

/** @returns undefined for what another version of tsbox wrote */
export function decodeRecord(value: unknown): BuildRecord | undefined {
  const record = value as Partial<BuildRecord> | undefined
  return record?.format === 1 && Array.isArray(record.steps) ? (record as BuildRecord) : undefined
}

/** The files of a copy that nothing asked for: a later build may ask what has changed in them. */
function cachedCopy(v: Vertex, key: string | undefined, { cached }: RecordWorld): Layer | undefined {
  return v.op.kind === 'copy' && key !== undefined ? cached(key) : undefined
}

function layerRef({ diffID, snapshot, snapshotMode }: Layer): Layer {
  return { diffID, snapshot, snapshotMode }
}

function recordedOp(op: Op, sha256: Sha256): StepRecord['op'] {
  switch (op.kind) {
    case 'image':
      return { kind: op.kind, reference: op.reference, digest: op.image.digest }
    case 'run':
      return {
        ...(keyedFields(op) as StepRecord['op']),
        env: op.env.map((line) => withoutSecret(line, sha256)),
      }
    case 'copy': {
      const sources = op.sources.map((s) => ('url' in s ? { ...s, url: redactUrl(s.url) } : s))
      return { ...(keyedFields(op) as StepRecord['op']), sources }
    }
    default:
      return keyedFields(op) as StepRecord['op']
  }
}

function withoutSecret(line: string, sha256: Sha256): string {
  const eq = line.indexOf('=')
  const name = line.slice(0, eq)
  return eq > 0 && soundsSecret(name) ? `${name}=sha256:${sha256().update(line).hex()}` : line
}
