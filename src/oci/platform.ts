/** An OCI platform, Go's names. @see OCI image-spec 1.1, image-index.md */
export interface Platform {
  os: string
  architecture: string
  variant?: string | undefined
}
