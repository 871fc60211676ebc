import { statSync, utimesSync } from 'node:fs'
import { namesIn } from '../util/names-in.js'
import type { Lease } from './lease.js'
import type { Place } from './place.js'

/** Builds that are remembered; of more the ones that were built longest ago are forgotten. */
const MOST = 256
const TOUCH_AFTER_MS = 3_600_000

/** What the last build of each Dockerfile and target consisted of, for the next to be compared with. */
export class BuildRecordStore {
  readonly #place: Place

  constructor(place: Place) {
    this.#place = place
  }

  /** @param id hex digits */
  read(id: string): string | undefined {
    return this.#place.read(this.#path(id))?.toString()
  }

  /** @param nowMs milliseconds since 1970; `before` is what {@link read} gave: an equal text is not written again */
  write(
    id: string,
    text: string,
    { before, lease, nowMs }: { before?: string | undefined; lease: Lease; nowMs: number },
  ) {
    const path = this.#path(id)
    if (text === before) return touch(path, nowMs)
    this.#place.write(path, text, lease.tempPath('build'))
    if (before === undefined) this.#forgetOldest()
  }

  /** Forgets all. @returns bytes of disk that were freed */
  clear(): number {
    let bytes = 0
    for (const name of namesIn(this.#place.path('builds'))) {
      const path = this.#place.path('builds', name)
      const size = (statSync(path, { throwIfNoEntry: false })?.blocks ?? 0) * 512
      if (this.#place.unlink(path)) bytes += size
    }
    return bytes
  }

  #forgetOldest(): void {
    const names = namesIn(this.#place.path('builds'))
    if (names.length <= MOST) return
    const paths = names.map((name) => this.#place.path('builds', name))
    const used = paths.map((path) => ({ path, ms: statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0 }))
    used.sort((a, b) => a.ms - b.ms)
    for (const { path } of used.slice(0, names.length - MOST)) this.#place.unlink(path)
  }

  #path(id: string): string {
    return this.#place.path('builds', `${id}.json`)
  }
}

function touch(path: string, nowMs: number): void {
  try {
    if (nowMs - statSync(path).mtimeMs > TOUCH_AFTER_MS) utimesSync(path, nowMs / 1000, nowMs / 1000)
  } catch {
    // Another process may have forgotten it; it counts for nothing but the order.
  }
}
