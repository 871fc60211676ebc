/**
 * Progress of a build: a stream of events. Renderers (tty, plain, rawjson, quiet, the API) only listen.
 * Vertices are numbered from 1 in the order in which they first appear.
 */
export type ProgressEvent =
  | { type: 'vertex'; id: number; name: string; digest: string; inputs: number[] }
  | { type: 'start'; id: number; time: number }
  | { type: 'done'; id: number; time: number; cached: boolean; error?: string | undefined }
  | { type: 'log'; id: number; time: number; stream: 1 | 2; data: Uint8Array }
  /** Work inside a vertex: bytes of a transfer, layers of an export. `total` 0 where unknown. */
  | { type: 'status'; id: number; time: number; name: string; current: number; total: number; done: boolean }
  | WarningEvent
  | ExplanationEvent

/** Why a step ran, or why it did not; sent once the steps have ended. */
export interface ExplanationEvent {
  type: 'explanation'
  id: number
  time: number
  outcome: 'ran' | 'cached' | 'failed' | 'canceled' | 'unneeded'
  /** What ran it, and why that: `namespaces (a shell runs it)`. */
  executor?: string | undefined
  /** Causes, the most telling first; never empty. Text of the Dockerfile is in them as it is. */
  reasons: readonly string[]
}

/** Something that a build check found; `id` is the step that read the file. */
export interface WarningEvent {
  type: 'warning'
  id: number
  time: number
  rule: string
  /** What is wrong here. */
  message: string
  /** What the rule asks for, in general. */
  description: string
  /** Where it is explained, or `''`. */
  url: string
  /** Lines from 1, both included; 0 where it is about none. */
  line: number
  endLine: number
  /** The file, for an excerpt. */
  source: { file: string; text: string }
}

/** A warning in one line, as BuildKit words it: `Rule: what is wrong (line 3)`. */
export function warningLine(warning: Pick<WarningEvent, 'rule' | 'message' | 'line'>): string {
  const place = warning.line > 0 ? ` (line ${warning.line})` : ''
  return `${warning.rule}: ${warning.message}${place}`
}

/** Times are milliseconds since 1970. Must not throw. */
export type ProgressSink = (event: ProgressEvent) => void
