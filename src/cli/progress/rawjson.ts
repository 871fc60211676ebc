import { type ProgressEvent, type WarningEvent, warningLine } from '../../build/progress/event.js'
import { Trace, type VertexTrace } from './trace.js'

/**
 * BuildKit's `--progress=rawjson`: one SolveStatus a line, one line an event. Digests name vertices; times are RFC 3339.
 *
 * @see buildkit/client/graph.go for the fields
 */
export class RawJsonPrinter {
  private readonly write: (text: string) => void
  private readonly trace = new Trace()

  constructor(write: (text: string) => void) {
    this.write = write
  }

  update(event: ProgressEvent): void {
    const v = this.trace.update(event)
    v.lines = []
    this.write(`${JSON.stringify(this.status(event, v))}\n`)
  }

  private status(event: ProgressEvent, v: VertexTrace): Record<string, unknown[]> {
    const vertex = digestOf(v)
    switch (event.type) {
      case 'log': {
        const data = Buffer.from(event.data).toString('base64')
        return { logs: [{ vertex, stream: event.stream, data, timestamp: rfc3339(event.time) }] }
      }
      case 'status': {
        const status = v.statuses.get(event.name)!
        const common = {
          id: event.name,
          vertex,
          ...(event.total ? { total: event.total } : {}),
          current: event.current,
        }
        const times = { timestamp: rfc3339(event.time), started: rfc3339(status.started) }
        return { statuses: [{ ...common, ...times, ...(event.done ? { completed: rfc3339(event.time) } : {}) }] }
      }
      case 'explanation': {
        const { outcome, executor, reasons } = event
        return { explanations: [{ vertex, outcome, ...(executor ? { executor } : {}), reasons: [...reasons] }] }
      }
      case 'warning':
        return { warnings: [{ vertex, ...vertexWarning(event) }] }
      default:
        return { vertexes: [this.vertex(v)] }
    }
  }

  private vertex(v: VertexTrace): Record<string, unknown> {
    const inputs = v.inputs.map((id) => this.trace.vertices.get(id)).filter((i) => i !== undefined)
    return {
      digest: digestOf(v),
      ...(inputs.length ? { inputs: inputs.map(digestOf) } : {}),
      name: v.name,
      ...(v.started === undefined ? {} : { started: rfc3339(v.started) }),
      ...(v.completed === undefined ? {} : { completed: rfc3339(v.completed) }),
      ...(v.cached ? { cached: true } : {}),
      ...(v.error === undefined ? {} : { error: v.error }),
    }
  }
}

/** @see buildkit/client/graph.go, VertexWarning; bytes are base64 */
export function vertexWarning(event: WarningEvent): Record<string, unknown> {
  const { file, text } = event.source
  return {
    level: 1,
    short: base64(warningLine(event)),
    detail: [base64(event.description)],
    ...(event.url ? { url: event.url } : {}),
    sourceInfo: { filename: file, data: base64(text), language: 'Dockerfile' },
    ...(event.line > 0 ? { range: [{ start: { line: event.line }, end: { line: event.endLine } }] } : {}),
  }
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64')
}

function digestOf(v: VertexTrace): string {
  return vertexDigest(v.digest)
}

/** The digest by which BuildKit would name a vertex. */
export function vertexDigest(digest: string): string {
  return digest.includes(':') ? digest : `sha256:${digest}`
}

function rfc3339(ms: number): string {
  return new Date(ms).toISOString()
}
