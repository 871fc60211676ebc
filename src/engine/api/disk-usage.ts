/** What takes room, as `system df` tells it. All sizes are bytes on disk, as far as this user may look. */
import type { CacheUsage } from '../../store/usage.js'
import type { ContainerSummary } from './containers.js'
import type { ImageSummary } from './images.js'

export interface ImageUsage extends ImageSummary {
  /** Of layers that other images have too. */
  sharedBytes: number
  /** Of layers that no other image has. */
  uniqueBytes: number
}

export interface ContainerUsage extends ContainerSummary {
  /** What it wrote. */
  sizeBytes: number
}

export interface VolumeUsage {
  name: string
  mode: string
  sizeBytes: number
  /** Containers that use it. */
  links: number
}

export interface DiskUsage {
  images: ImageUsage[]
  /** All layers of images, each once. */
  layersBytes: number
  /** Layers that containers need, each once. */
  activeLayersBytes: number
  containers: ContainerUsage[]
  volumes: VolumeUsage[]
  cache: CacheUsage[]
}
