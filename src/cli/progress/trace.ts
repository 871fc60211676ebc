import type { ExplanationEvent, ProgressEvent, WarningEvent } from '../../build/progress/event.js'

/** Progress inside a vertex. Times are milliseconds since 1970. */
export interface StatusTrace {
  name: string
  current: number
  total: number
  started: number
  time: number
  done: boolean
}

/** Everything that is known of a vertex so far. */
export interface VertexTrace {
  id: number
  name: string
  digest: string
  inputs: readonly number[]
  started?: number
  completed?: number
  cached: boolean
  error?: string
  /** Output as `seconds text`; the last one is unfinished while `partial`. */
  lines: string[]
  partial: boolean
  /** The last lines, for the end of a build that failed. */
  tail: string[]
  statuses: Map<string, StatusTrace>
  warnings: WarningEvent[]
  explanation?: ExplanationEvent
}

/** Lines of a failed step that are shown again. */
const TAIL = 10

/** Collects events of a build into the state of its vertices, in the order in which they appeared. */
export class Trace {
  readonly vertices = new Map<number, VertexTrace>()
  private readonly decoders = new Map<string, InstanceType<typeof TextDecoder>>()

  /** @returns the vertex that the event changed */
  update(event: ProgressEvent): VertexTrace {
    const v = this.vertex(event.id)
    switch (event.type) {
      case 'vertex':
        Object.assign(v, { name: event.name, digest: event.digest, inputs: event.inputs })
        break
      case 'start':
        v.started = event.time
        break
      case 'done':
        v.completed = event.time
        v.cached = event.cached
        if (event.error !== undefined) v.error = event.error
        break
      case 'log':
        this.log(v, event)
        break
      case 'status':
        v.statuses.set(event.name, { ...event, started: v.statuses.get(event.name)?.started ?? event.time })
        break
      case 'warning':
        v.warnings.push(event)
        break
      case 'explanation':
        v.explanation = event
    }
    return v
  }

  /** Takes an event of which only the end of a failed step's output will be asked for. */
  keep(event: ProgressEvent): void {
    this.update(event).lines = []
  }

  private vertex(id: number): VertexTrace {
    let v = this.vertices.get(id)
    if (!v) {
      v = {
        id,
        name: '',
        digest: '',
        inputs: [],
        cached: false,
        lines: [],
        partial: false,
        tail: [],
        statuses: new Map(),
        warnings: [],
      }
      this.vertices.set(id, v)
    }
    return v
  }

  private log(v: VertexTrace, event: Extract<ProgressEvent, { type: 'log' }>): void {
    const pieces = this.decoder(event.id, event.stream).decode(event.data, { stream: true }).split('\n')
    const seconds = Math.max(0, event.time - (v.started ?? event.time)) / 1000
    pieces.forEach((piece, i) => {
      const last = i === pieces.length - 1
      if (last && piece === '') {
        if (i > 0) v.partial = false
        return
      }
      const continues = i === 0 && v.partial
      if (continues) this.append(v, piece)
      else this.push(v, `${seconds.toFixed(seconds < 10 ? 3 : seconds < 100 ? 2 : 1)} ${piece}`)
      v.partial = last
    })
  }

  private push(v: VertexTrace, line: string): void {
    v.lines.push(line)
    v.tail.push(line)
    if (v.tail.length > TAIL) v.tail.shift()
  }

  private append(v: VertexTrace, piece: string): void {
    if (v.lines.length) v.lines[v.lines.length - 1] += piece
    else v.lines.push(piece)
    v.tail[v.tail.length - 1] += piece
  }

  private decoder(id: number, stream: number): InstanceType<typeof TextDecoder> {
    const key = `${id} ${stream}`
    let decoder = this.decoders.get(key)
    if (!decoder) {
      decoder = new TextDecoder()
      this.decoders.set(key, decoder)
    }
    return decoder
  }
}

/** True for a vertex that was ended because something else failed, or by the user. */
export function isCanceled(v: VertexTrace): boolean {
  return v.error !== undefined && /(^|: )(context )?cancell?ed$|aborted$/.test(v.error)
}
