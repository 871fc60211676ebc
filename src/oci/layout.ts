/** Names and contents of an OCI image layout. @see OCI image-spec 1.1, image-layout.md */
export const LAYOUT_FILE = 'oci-layout'
export const LAYOUT_JSON = '{"imageLayoutVersion":"1.0.0"}'
export const INDEX_FILE = 'index.json'

/** A tag in a layout's index. */
export const REF_NAME = 'org.opencontainers.image.ref.name'

/** The full name of an image in a layout's index; containerd's and docker's, since a ref name may be only a tag. */
export const CONTAINERD_NAME = 'io.containerd.image.name'

/** Docker's list of images in an archive. */
export const DOCKER_MANIFEST_FILE = 'manifest.json'

/** Older docker's tags in an archive. */
export const DOCKER_REPOSITORIES_FILE = 'repositories'

/** An entry of docker's manifest.json. */
export interface DockerArchiveImage {
  Config: string
  RepoTags: string[] | null
  Layers: string[]
}

/** Path of a blob in a layout. */
export function layoutBlobPath(digest: string): string {
  return `blobs/${digest.replace(':', '/')}`
}

export const LAYOUT_SCHEME = 'oci-layout://'
