import type { EntrySink } from './entry.js'

/**
 * Lets no time be later than `epoch`, as SOURCE_DATE_EPOCH asks of reproducible layers.
 *
 * @param epoch seconds since 1970; undefined changes nothing
 */
export function clampTimes<S extends EntrySink>(sink: S, epoch: number | undefined): EntrySink {
  if (epoch === undefined) return sink
  return {
    entry: (e) => sink.entry(e.mtime > epoch ? { ...e, mtime: epoch } : e),
    data: (chunk) => sink.data(chunk),
  }
}
