import { TsboxError } from '../base/error.js'
import { claimNow } from '../util/claim.js'
import { namesIn } from '../util/names-in.js'
import type { LayerRef } from './cache.js'
import type { Lease } from './lease.js'
import type { Place } from './place.js'

/**
 * What the store must know of a container's record to keep what it stands on; the rest of the record belongs to those
 * who run it.
 */
export interface ContainerRoots {
  id: string
  /** Digest of the image's manifest. */
  manifest?: string | undefined
  /** Layers of its root, base first. */
  layers?: readonly LayerRef[] | undefined
}

/** Containers' folders: `containers/<id>/record.json`, and whatever else the container keeps there. */
export class ContainerStore {
  readonly #place: Place

  constructor(place: Place) {
    this.#place = place
  }

  /** @throws TsboxError E_CONTAINER_INVALID */
  dir(id: string): string {
    if (!/^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$/.test(id))
      throw new TsboxError('E_CONTAINER_INVALID', `find container: malformed id: "${id}"`)
    return this.#place.path('containers', id)
  }

  get<T extends ContainerRoots>(id: string): T | undefined {
    return this.#place.readJson<T>(`${this.dir(id)}/record.json`)
  }

  /** Puts the record that `make` makes, knowing all that are there: no other container comes into being meanwhile. */
  create<T extends ContainerRoots>(make: (others: T[]) => T, lease: Lease): T {
    this.#place.prepare()
    const claim = claimNow(this.#place.path('leases', 'containers.claim'))
    try {
      const record = make(this.list<T>())
      this.put(record, lease)
      return record
    } finally {
      claim.release()
    }
  }

  /** Replaces the record; makes the folder where it is new. */
  put<T extends ContainerRoots>(record: T, lease: Lease): void {
    this.#place.write(`${this.dir(record.id)}/record.json`, JSON.stringify(record), lease.tempPath('container'))
  }

  list<T extends ContainerRoots>(): T[] {
    return this.ids().flatMap((id) => this.get<T>(id) ?? [])
  }

  /** All folders, also those whose record was never written. */
  ids(): string[] {
    return namesIn(this.#place.path('containers'))
  }

  /** Takes the container out of the store into `trash`, which is to be deleted (its files may be mapped users'). */
  retire(id: string, trash: string): void {
    this.#place.move(this.dir(id), trash)
  }
}
