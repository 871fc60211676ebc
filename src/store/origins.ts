import { digestHex } from '../oci/digest.js'
import type { Lease } from './lease.js'
import type { Place } from './place.js'

/** A blob may be in any number of repositories; the latest are enough to take it over from one. */
const MAX_ORIGINS = 8

/** Repositories that are known to have a blob: from there a registry can take it over without an upload. */
export class OriginStore {
  readonly #place: Place

  constructor(place: Place) {
    this.#place = place
  }

  path(digest: string): string {
    return this.#place.path('origins', `${digestHex(digest)}.json`)
  }

  /** `host/path` of each repository, the latest first. */
  of(digest: string): string[] {
    const known = this.#place.readJson<{ repositories?: unknown }>(this.path(digest))?.repositories
    return Array.isArray(known) ? known.filter((r): r is string => typeof r === 'string') : []
  }

  add(digest: string, repository: string, lease: Lease): void {
    const known = this.of(digest)
    if (known[0] === repository) return
    const repositories = [repository, ...known.filter((r) => r !== repository)].slice(0, MAX_ORIGINS)
    this.#place.write(this.path(digest), JSON.stringify({ repositories }), lease.tempPath('origin'))
  }

  /** It was not there after all. */
  remove(digest: string, repository: string, lease: Lease): void {
    const repositories = this.of(digest).filter((r) => r !== repository)
    if (repositories.length === 0) this.#place.unlink(this.path(digest))
    else this.#place.write(this.path(digest), JSON.stringify({ repositories }), lease.tempPath('origin'))
  }
}
