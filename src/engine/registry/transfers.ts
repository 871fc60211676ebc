import type { ProgressSink } from '../../build/progress/event.js'

const EVERY_MS = 100

/** Shows one step with the bytes that move in it. */
export interface Transfers {
  /** A line that is true from now on. */
  status(text: string): void
  /** Begins a line of bytes that move. */
  begin(name: string, totalBytes: number): TransferLine
}

/** Bytes that move. */
export interface TransferLine {
  /** @param current bytes in all */
  at(current: number): void
  end(): void
}

/** Lines below a vertex of progress; a number of bytes is told now and then, its end always. */
export function transfersOf(sink: ProgressSink, id: number, nowMs: () => number): Transfers {
  const tell = (name: string, current: number, total: number, done: boolean) =>
    sink({ type: 'status', id, time: nowMs(), name, current, total, done })
  return {
    status: (text) => tell(text, 0, 0, true),
    begin(name, total) {
      let told = nowMs()
      tell(name, 0, total, false)
      return {
        at(current) {
          const now = nowMs()
          if (now - told < EVERY_MS) return
          told = now
          tell(name, current, total, false)
        },
        end: () => tell(name, total, total, true),
      }
    },
  }
}
