/** Media types that tsbox reads and writes. @see OCI image-spec 1.1, media-types.md */
export const MEDIA = {
  index: 'application/vnd.oci.image.index.v1+json',
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar',
  layerGzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
  layerZstd: 'application/vnd.oci.image.layer.v1.tar+zstd',
  empty: 'application/vnd.oci.empty.v1+json',
  dockerIndex: 'application/vnd.docker.distribution.manifest.list.v2+json',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerConfig: 'application/vnd.docker.container.image.v1+json',
  dockerLayer: 'application/vnd.docker.image.rootfs.diff.tar',
  dockerLayerGzip: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
  dockerLayerZstd: 'application/vnd.docker.image.rootfs.diff.tar.zstd',
} as const

/** How a blob of bytes is packed, by name or by magic. */
export type Compression = 'none' | 'gzip' | 'zstd' | 'bzip2' | 'xz'

/** True for an image index or docker's manifest list. */
export function isIndexType(mediaType: string | undefined): boolean {
  return mediaType === MEDIA.index || mediaType === MEDIA.dockerIndex
}

/** True for a manifest of one image. */
export function isManifestType(mediaType: string | undefined): boolean {
  return mediaType === MEDIA.manifest || mediaType === MEDIA.dockerManifest
}

/** True for an image's configuration; artifacts have others. */
export function isConfigType(mediaType: string): boolean {
  return mediaType === MEDIA.config || mediaType === MEDIA.dockerConfig
}

/** True for a file-system layer, distributable or not. */
export function isLayerType(mediaType: string): boolean {
  return (
    /^application\/vnd\.oci\.image\.layer\.(?:nondistributable\.)?v1\.tar(?:\+(?:gzip|zstd))?$/.test(mediaType) ||
    /^application\/vnd\.docker\.image\.rootfs\.(?:foreign\.)?diff\.tar(?:\.(?:gzip|zstd))?$/.test(mediaType)
  )
}

/** How a layer of that media type is packed, by its suffix. */
export function packingOf(mediaType: string): 'none' | 'gzip' | 'zstd' {
  return /[+.]gzip$/.test(mediaType) ? 'gzip' : /[+.]zstd$/.test(mediaType) ? 'zstd' : 'none'
}

const TO_DOCKER: ReadonlyMap<string, string> = new Map([
  [MEDIA.index, MEDIA.dockerIndex],
  [MEDIA.manifest, MEDIA.dockerManifest],
  [MEDIA.config, MEDIA.dockerConfig],
  [MEDIA.layer, MEDIA.dockerLayer],
  [MEDIA.layerGzip, MEDIA.dockerLayerGzip],
  [MEDIA.layerZstd, MEDIA.dockerLayerZstd],
])
const TO_OCI: ReadonlyMap<string, string> = new Map([...TO_DOCKER].map(([oci, docker]) => [docker, oci]))

/** The same kind of document or layer under OCI's or docker's name; types that only one of them has stay as they are. */
export function mediaTypeAs(family: 'oci' | 'docker', mediaType: string): string {
  return (family === 'docker' ? TO_DOCKER : TO_OCI).get(mediaType) ?? mediaType
}

/** OCI's media type of a layer that is packed so. @throws nothing: bzip2 and xz have no type and count as plain */
export function layerTypeOf(compression: Compression): string {
  return compression === 'gzip' ? MEDIA.layerGzip : compression === 'zstd' ? MEDIA.layerZstd : MEDIA.layer
}
