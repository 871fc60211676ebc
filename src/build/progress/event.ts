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
  | { type: 'warning'; id: number; time: number; rule: string; message: string; url: string; line: number }

/** Times are milliseconds since 1970. Must not throw. */
export type ProgressSink = (event: ProgressEvent) => void
