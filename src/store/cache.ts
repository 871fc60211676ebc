import { statSync, utimesSync } from 'node:fs'
import { TsboxError } from '../base/error.js'
import { namesIn } from '../util/names-in.js'
import type { Lease } from './lease.js'
import type { Place } from './place.js'

/** A layer in one or both of its forms, as the builder has it. */
export interface LayerRef {
  diffID?: string | undefined
  snapshot?: string | undefined
  snapshotMode?: string | undefined
}

/** What the build cache remembers of a vertex. */
export interface StoredCacheRecord {
  key: string
  layer?: LayerRef | undefined
  /** Seconds since 1970. */
  created: number
  /** The step, as progress named it. */
  title?: string | undefined
  /** The cache that the record was imported from. */
  origin?: string | undefined
  /** Of a file that was fetched: what its server is asked with the next time. */
  validators?: CacheValidators | undefined
}

/** What a server said of a file. @see RFC 9110, section 8.8 */
export interface CacheValidators {
  etag?: string | undefined
  lastModified?: string | undefined
  /** From Content-Disposition. */
  name?: string | undefined
}

const TOUCH_AFTER_MS = 3_600_000

/** Build-cache records by key. A file's mtime says when its record was last used, to the hour. */
export class CacheStore {
  readonly #place: Place

  constructor(place: Place) {
    this.#place = place
  }

  /** @param nowMs milliseconds since 1970; given, the use is noted */
  get(key: string, nowMs?: number): StoredCacheRecord | undefined {
    const path = this.#path(key)
    const record = this.#place.readJson<StoredCacheRecord>(path)
    if (record && nowMs !== undefined) touch(path, nowMs)
    return record
  }

  put(key: string, record: StoredCacheRecord, lease: Lease): void {
    this.#place.write(this.#path(key), JSON.stringify(record), lease.tempPath('cache'))
  }

  remove(key: string): boolean {
    return this.#place.unlink(this.#path(key))
  }

  /** All records, with the time of the last use in milliseconds since 1970. */
  list(): { id: string; record: StoredCacheRecord | undefined; usedMs: number; sizeBytes: number }[] {
    return namesIn(this.#place.path('cache')).map((file) => {
      const path = this.#place.path('cache', file)
      const stat = statSync(path, { throwIfNoEntry: false })
      return {
        id: file.replace(/\.json$/, ''),
        record: this.#place.readJson<StoredCacheRecord>(path),
        usedMs: stat?.mtimeMs ?? 0,
        sizeBytes: (stat?.blocks ?? 0) * 512,
      }
    })
  }

  #path(key: string): string {
    if (!/^[\w.-]{1,200}$/.test(key) || key.startsWith('.'))
      throw new TsboxError('E_CACHE_KEY', `find cache record: malformed key: "${key}"`)
    return this.#place.path('cache', `${key}.json`)
  }
}

function touch(path: string, nowMs: number): void {
  try {
    if (nowMs - statSync(path).mtimeMs > TOUCH_AFTER_MS) utimesSync(path, nowMs / 1000, nowMs / 1000)
  } catch {
    // A note for pruning only; the record may just have gone.
  }
}
