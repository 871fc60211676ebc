import type { Toc } from '../../layer/toc.js'
import type { CachedMountData } from '../cache/mount-data.js'

/** A place beside the store where layers can be had, each by its diffID, and what cache mounts held. */
export interface LayerOrigin {
  /** Whether the layer can be had; where only asking would tell, true. */
  has(diffID: string): boolean
  /** Bytes of the layer's uncompressed tar, undefined for one that is not there. */
  tarSize(diffID: string): number | undefined
  /** The table of contents, for this process only: the layer itself stays where it is if that can be. */
  toc(diffID: string): Promise<Toc | undefined>
  /** Brings the layer into the store, verified. @throws TsboxError E_CACHE_INVALID, E_DISK_FULL */
  fetch(diffID: string): Promise<void>
  /** What a cache mount held on another machine; undefined where nobody knows. @param key as `mountKey` makes it */
  mount(key: string): Promise<CachedMountData | undefined>
}
