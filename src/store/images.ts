import type { Digest } from '../oci/digest.js'
import { digestHex } from '../oci/digest.js'
import { sha256Hex } from '../util/hash.js'
import { namesIn } from '../util/names-in.js'
import type { Lease } from './lease.js'
import type { Place } from './place.js'

/** What a name (or nothing) points to. */
export interface ImageTarget {
  /** Digest, size in bytes and media type of the manifest. */
  manifest: { digest: Digest; size: number; mediaType: string }
  /** Digest of the config: docker's image id. */
  config: Digest
  /** Of the index by which a registry named it, where it has one. */
  index?: Digest | undefined
}

/** A record in `images/`. */
export interface ImageRecord extends ImageTarget {
  /** Canonical: `docker.io/library/x:latest`. Undefined for an image that no tag names. */
  name?: string | undefined
  /** Seconds since 1970: when the name was given. */
  tagged: number
}

/** Tags. A name points to one manifest; images that have lost their last name stay, nameless, until pruned. */
export class ImageStore {
  readonly #place: Place

  constructor(place: Place) {
    this.#place = place
  }

  /** @param name canonical, with a tag */
  get(name: string): ImageRecord | undefined {
    const record = this.#place.readJson<ImageRecord>(this.#path(name))
    return record?.name === name ? record : undefined
  }

  /** All records, tagged and not, in no meaningful order. */
  list(): ImageRecord[] {
    const out: ImageRecord[] = []
    for (const file of namesIn(this.#place.path('images'))) {
      const record = this.#place.readJson<ImageRecord>(this.#place.path('images', file))
      if (record?.manifest && record.config) out.push(record)
    }
    return out
  }

  /**
   * Points a name to an image; the image that had it stays as a nameless one where that was its last name. The manifest
   * must be pinned, so that it can't go meanwhile.
   *
   * @param name canonical, with a tag; undefined keeps the image without a name
   * @param now seconds since 1970
   */
  set(name: string | undefined, target: ImageTarget, lease: Lease, now: number): void {
    const before = name === undefined ? undefined : this.get(name)
    const same = before?.manifest.digest === target.manifest.digest
    if (same && (target.index === undefined || before.index === target.index)) return
    if (before && !same && !this.#isNamedElsewhere(before)) this.#write(undefined, before, lease, before.tagged)
    if (name === undefined && this.#hasRecord(target)) return
    // What had a value before a crash of the machine must have one after it.
    this.#write(name, target, lease, now, before !== undefined)
    if (name !== undefined) this.#dropNameless(target)
  }

  /** Takes a name away; false where it was not there. The image goes with the next collection, unless it has others. */
  remove(record: ImageRecord): boolean {
    return this.#place.unlink(record.name === undefined ? this.#namelessPath(record) : this.#path(record.name))
  }

  #isNamedElsewhere(record: ImageRecord): boolean {
    return this.list().some((r) => r.manifest.digest === record.manifest.digest && r.name !== record.name)
  }

  #hasRecord(target: ImageTarget): boolean {
    if (this.#place.read(this.#namelessPath(target))) return true
    return this.list().some((r) => r.manifest.digest === target.manifest.digest)
  }

  #dropNameless(target: ImageTarget): void {
    this.#place.unlink(this.#namelessPath(target))
  }

  #write(name: string | undefined, target: ImageTarget, lease: Lease, tagged: number, sync = false): void {
    const { manifest, config, index } = target
    const record: ImageRecord = { name, manifest, config, index, tagged }
    const path = name === undefined ? this.#namelessPath(target) : this.#path(name)
    this.#place.write(path, JSON.stringify(record), lease.tempPath('image'), sync)
  }

  #path(name: string): string {
    const encoded = encodeURIComponent(name)
    // A file name has 255 bytes at most, a reference may have more.
    const file = encoded.length <= 200 ? encoded : sha256Hex(name)
    return this.#place.path('images', `${file}.json`)
  }

  #namelessPath(target: ImageTarget): string {
    return this.#place.path('images', `@${digestHex(target.manifest.digest)}.json`)
  }
}
