import { BlobStore } from './blobs.js'
import { BuildRecordStore } from './build-records.js'
import { CacheStore } from './cache.js'
import { ContainerStore } from './containers.js'
import { DownloadStore } from './downloads.js'
import { ImageStore } from './images.js'
import { LayerStore } from './layers.js'
import { Lease } from './lease.js'
import { MountStore } from './mounts.js'
import { OriginStore } from './origins.js'
import { Place } from './place.js'
import { SnapshotStore } from './snapshots.js'
import { SumStore } from './sums.js'

/**
 * Everything that tsbox keeps. Any process may die at any instant and any number may work at once: what is published is
 * whole, what is half made lies in `tmp/` under the name of its process, and a lease keeps collection away from what a
 * process works with.
 */
export class Store {
  readonly place: Place
  readonly blobs: BlobStore
  readonly downloads: DownloadStore
  readonly origins: OriginStore
  readonly layers: LayerStore
  readonly snapshots: SnapshotStore
  readonly images: ImageStore
  readonly cache: CacheStore
  readonly builds: BuildRecordStore
  readonly containers: ContainerStore
  readonly mounts: MountStore
  readonly sums: SumStore

  private constructor(place: Place) {
    this.place = place
    this.blobs = new BlobStore(place)
    this.downloads = new DownloadStore(place, this.blobs)
    this.origins = new OriginStore(place)
    this.layers = new LayerStore(place, this.blobs)
    this.snapshots = new SnapshotStore(place)
    this.images = new ImageStore(place)
    this.cache = new CacheStore(place)
    this.builds = new BuildRecordStore(place)
    this.containers = new ContainerStore(place)
    this.mounts = new MountStore(place)
    this.sums = new SumStore(place)
  }

  /**
   * Opens the store at `root`, an absolute path that need not exist; nothing is written yet.
   *
   * @throws TsboxError E_STORE_VERSION for a later layout, E_STORE_UNWRITABLE where it can't even be read
   */
  static open(root: string): Store {
    return new Store(new Place(root))
  }

  get root(): string {
    return this.place.root
  }

  /** A lease for this process; close it at the end. Several are possible. */
  lease(): Lease {
    return new Lease(this.place)
  }

  /** Pins a layer in any of its forms; false where none is there (any more). */
  keepLayer(
    layer: { diffID?: string | undefined; snapshot?: string | undefined; snapshotMode?: string | undefined },
    lease: Lease,
  ): boolean {
    const { diffID, snapshot, snapshotMode } = layer
    let kept = false
    if (snapshot && snapshotMode)
      kept = lease.pin(
        'snapshot',
        `${snapshotMode}/${snapshot}`,
        () => this.snapshots.state(snapshotMode, snapshot) !== 'gone',
      )
    if (diffID) kept = lease.pin('layer', diffID, () => this.hasLayer(diffID)) || kept
    return kept
  }

  /** True where the layer is there as a blob or as a snapshot of any mode. */
  hasLayer(diffID: string): boolean {
    return (
      this.layers.blob(diffID) !== undefined ||
      ['subid', 'single'].some((mode) => {
        const id = this.snapshots.byDiffID(mode, diffID)
        return id !== undefined && this.snapshots.state(mode, id) !== 'gone'
      })
    )
  }
}
