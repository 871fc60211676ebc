import type { ContainerRecord } from '../../container/record.js'
import { cacheUsage, LayerSizes } from '../../store/usage.js'
import { diskUsage } from '../../util/remove-tree.js'
import type { DiskUsage, ImageUsage } from '../api.js'
import { NodeContainers } from '../containers/node-containers.js'
import type { ImageDeps } from '../images/deps.js'
import { listImages } from '../images/list.js'
import { findImage, readImage } from '../images/stored-image.js'
import { NodeVolumes } from '../volumes/node-volumes.js'

/** Measures images, containers, volumes and the build cache. */
export async function measureStore(deps: ImageDeps): Promise<DiskUsage> {
  const { store } = deps
  const records = store.containers.list<ContainerRecord>()
  const containers = await new NodeContainers(deps).list({ all: true, filters: {} })
  const volumes = await new NodeVolumes(deps).list()
  return {
    ...measureImages(deps),
    containers: containers.map((c) => ({ ...c, sizeBytes: diskUsage(store.containers.dir(c.id)) })),
    volumes: volumes.map(({ name, mode, mountpoint }) => ({
      name,
      mode,
      sizeBytes: diskUsage(mountpoint),
      links: records.filter((c) => c.mode === mode && c.volumes?.includes(name)).length,
    })),
    cache: cacheUsage(store),
  }
}

function measureImages(deps: ImageDeps): Pick<DiskUsage, 'images' | 'layersBytes' | 'activeLayersBytes'> {
  const sizes = new LayerSizes(deps.store)
  const users = new Map<string, Set<string>>()
  const active = new Set<string>()
  const all = listImages(deps, undefined).map((summary) => {
    const image = readImage(deps.store, undefined, findImage(deps.store, summary.id))
    const layers = new Set(image.config.rootfs.diff_ids)
    for (const id of layers) {
      users.set(id, (users.get(id) ?? new Set()).add(summary.id))
      if (summary.containers > 0) active.add(id)
    }
    return { summary, layers }
  })
  const total = (ids: Iterable<string>) => [...ids].reduce((bytes, diffID) => bytes + sizes.of({ diffID }), 0)
  const images = all.map(({ summary, layers }): ImageUsage => {
    const shared = [...layers].filter((id) => users.get(id)!.size > 1)
    const sharedBytes = total(shared)
    return { ...summary, sharedBytes, uniqueBytes: total(layers) - sharedBytes }
  })
  return { images, layersBytes: total(users.keys()), activeLayersBytes: total(active) }
}
