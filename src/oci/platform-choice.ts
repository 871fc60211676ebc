import type { Descriptor } from './manifest.js'
import { formatPlatform, normalisePlatform, type Platform } from './platform.js'

/**
 * Variants that run on a machine of a variant, the best first: an `arm/v7` runs what is for `v7`, `v6` and `v5`.
 *
 * @see containerd/platforms, compare.go
 */
function runnable(platform: Platform): string[] {
  const { os, architecture, variant } = normalisePlatform(platform)
  const number = /^v(\d+)$/.exec(variant ?? (architecture === 'arm64' ? 'v8' : 'v1'))?.[1]
  const plain = formatPlatform(normalisePlatform({ os, architecture, variant }))
  if (number === undefined) return [plain]
  const lowest =
    architecture === 'arm' ? 5 : architecture === 'arm64' ? 8 : architecture === 'amd64' ? 1 : Number(number)
  const out = []
  for (let n = Number(number); n >= lowest; n--)
    out.push(formatPlatform(normalisePlatform({ os, architecture, variant: `v${n}` })))
  return out.length ? out : [plain]
}

/** What an index says of its images, attestations left out: they stand there for a platform that no machine has. */
export function imagesOf(manifests: readonly Descriptor[]): Descriptor[] {
  return manifests.filter(
    (d) => d.platform?.os !== 'unknown' && d.annotations?.['vnd.docker.reference.type'] === undefined,
  )
}

/** The image of an index that is the best for a platform; an only one that says nothing of its platform too. */
export function chooseImage(manifests: readonly Descriptor[], platform: Platform): Descriptor | undefined {
  const images = imagesOf(manifests)
  for (const wanted of runnable(platform)) {
    const found = images.find((d) => d.platform && formatPlatform(normalisePlatform(d.platform)) === wanted)
    if (found) return found
  }
  return images.length === 1 && !images[0]!.platform ? images[0] : undefined
}

/** `linux/amd64, linux/arm64`: what an index has. */
export function platformsOf(manifests: readonly Descriptor[]): string {
  const all = imagesOf(manifests).map((d) => (d.platform ? formatPlatform(normalisePlatform(d.platform)) : '?'))
  return [...new Set(all)].join(', ')
}

/** Whether an image for `image` runs on a machine of `platform`. */
export function runsOn(image: Platform, platform: Platform): boolean {
  return runnable(platform).includes(formatPlatform(normalisePlatform(image)))
}
