import type { Descriptor } from '../oci/manifest.js'
import { sha256Hex } from '../util/hash.js'
import { namesIn } from '../util/names-in.js'
import type { Lease } from './lease.js'
import type { Place } from './place.js'

/** An image of a list that is being put together: where it lies, and what the index will say of it. */
export interface ListedManifest {
  /** Canonical name of the repository that has it. */
  repository: string
  /** With the platform. */
  descriptor: Descriptor
}

/** An index for several platforms, before it is pushed. */
export interface ManifestList {
  /** Canonical, with a tag. */
  name: string
  manifests: ListedManifest[]
}

/** Lists of `manifest create`: they name images of registries and hold none of their bytes. */
export class ManifestListStore {
  readonly #place: Place

  constructor(place: Place) {
    this.#place = place
  }

  get(name: string): ManifestList | undefined {
    const list = this.#place.readJson<ManifestList>(this.#path(name))
    return list?.name === name ? list : undefined
  }

  list(): string[] {
    return namesIn(this.#place.path('manifests')).flatMap(
      (file) => this.#place.readJson<ManifestList>(this.#place.path('manifests', file))?.name ?? [],
    )
  }

  put(list: ManifestList, lease: Lease): void {
    this.#place.write(this.#path(list.name), JSON.stringify(list), lease.tempPath('manifests'))
  }

  /** @returns false where it was not there */
  remove(name: string): boolean {
    return this.#place.unlink(this.#path(name))
  }

  #path(name: string): string {
    const encoded = encodeURIComponent(name)
    // A file name has 255 bytes at most, a reference may have more.
    return this.#place.path('manifests', `${encoded.length <= 200 ? encoded : sha256Hex(name)}.json`)
  }
}
