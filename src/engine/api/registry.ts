/** Registries: what is pulled, pushed and looked for. */
import type { ProgressSink } from '../../build/progress/event.js'

export interface PullRequest {
  /** As the user writes it. */
  reference: string
  /** All tags of the repository; the reference has none then. */
  allTags: boolean
  /** `os/arch[/variant]`; default this machine's. */
  platform?: string | undefined
  signal: AbortSignal
}

/** One image that is here now. */
export interface PulledImage {
  /** Canonical: `docker.io/library/debian:12`. */
  name: string
  /** `debian:12` */
  familiar: string
  /** Of what the name stands for in the registry: an index's where it is one. */
  digest: string
  imageID: string
  /** False where it was here before under that name. */
  isNew: boolean
}

export interface PushRequest {
  /** As the user writes it. */
  reference: string
  allTags: boolean
  form: PushForm
  signal: AbortSignal
}

/** In what form an image goes to a registry. */
export interface PushForm {
  /** How layers are packed that are not; with `force` all. Default gzip. */
  compression?: { kind: 'gzip' | 'zstd' | 'uncompressed'; level?: number | undefined; force: boolean } | undefined
  /** Media types; default those that the image has. */
  format?: 'oci' | 'docker' | undefined
}

/** One image that the registry has now. */
export interface PushedImage {
  /** Canonical, with a tag. */
  name: string
  digest: string
  /** Bytes of the manifest. */
  size: number
}

export interface LoginRequest {
  /** `host[:port]`; undefined is Docker Hub. */
  registry?: string | undefined
  /** Undefined: what is stored is tried. */
  username?: string | undefined
  password?: string | undefined
  signal: AbortSignal
}

/** What came of a login. */
export interface LoginOutcome {
  /** Where the credentials are now: files, or helpers. */
  stored: string[]
  /** Whether one of them is a file, in which they can be read. */
  plain: boolean
}

/** An image that a search found. */
export interface FoundImage {
  name: string
  description: string
  stars: number
  official: boolean
}

/** An image that goes from one place to another without the store. */
export interface CopyRequest {
  /** `docker://NAME`, `oci:FOLDER[:TAG]`, `oci-archive:FILE[:TAG]`, `docker-archive:FILE[:NAME]`, `dir:FOLDER`; or a name. */
  from: string
  to: string
  /** Makes paths of places absolute. */
  resolve(path: string): string
  /** The index with all its images. */
  all: boolean
  platform?: string | undefined
  signal: AbortSignal
}

/** A key in PEM, and the file that it is from. */
export interface Key {
  pem: string
  file: string
  passphrase?: string | undefined
}

export interface SignRequest {
  reference: string
  key: Key
  /** Signed along. */
  annotations: Readonly<Record<string, string>>
  signal: AbortSignal
}

export interface VerifySignatureRequest {
  reference: string
  keys: readonly Key[]
  signal: AbortSignal
}

export interface RegistryEngine {
  /** @throws TsboxError; images that were pulled before one that fails stay */
  pull(request: PullRequest, progress: ProgressSink): Promise<PulledImage[]>
  push(request: PushRequest, progress: ProgressSink): Promise<PushedImage[]>
  login(request: LoginRequest): Promise<LoginOutcome>
  /** @returns files and helpers that knew the registry */
  logout(registry: string | undefined): Promise<string[]>
  /** User name that is stored for a registry; undefined where there is none, or only a token. */
  storedUser(registry: string | undefined): Promise<string | undefined>
  /** @returns the digest of what the target's name stands for now */
  copy(request: CopyRequest, progress: ProgressSink): Promise<string>
  /** Signs an image where it lies. @returns the digest that was signed */
  sign(request: SignRequest): Promise<string>
  /** @returns the digest that is signed by one of the keys @throws TsboxError E_SIGNATURE */
  verifySignature(request: VerifySignatureRequest): Promise<string>
  /** @param term `[host[:port]/]words` */
  search(term: string, limit: number, signal: AbortSignal): Promise<FoundImage[]>
}
