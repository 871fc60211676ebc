import type { Registry } from '../../registry/registry.js'
import type { ImageDeps } from '../images/deps.js'
import type { PackDeps } from '../layers/pack.js'

/** What work with registries stands on. */
export interface RegistryDeps extends Pick<ImageDeps, 'store' | 'lease' | 'platform' | 'env' | 'now'> {
  /** Opened at the first use, closed with the engine. */
  registry(): Promise<Registry>
  /** For packing layers. */
  packing(): Promise<PackDeps>
}
