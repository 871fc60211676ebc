/**
 * The use cases of tsbox, as the command line, the Engine API and compose see them. Everything is asked for with plain
 * data and answered with plain data; nothing here prints.
 */
import type { ProgressSink } from '../build/progress/event.js'
import type { DoctorFact } from '../rootless/doctor-fact.js'
import type { CacheUsage } from '../store/usage.js'
import type { BuildOutcome, BuildRequest, VerifyOutcome } from './api/build.js'
import type { ContainerEngine } from './api/containers.js'
import type { DockerfileEngine } from './api/dockerfile.js'
import type { ImageEngine } from './api/images.js'
import type { ManifestListEngine } from './api/manifest-lists.js'
import type { RegistryEngine } from './api/registry.js'
import type { RunOutcome, RunRequest } from './api/run.js'
import type { BuilderEngine, DoctorReport, SystemEngine, VolumeEngine } from './api/system.js'
import type { RunIsolation } from './run/isolation/request.js'

export type {
  BuildDifference,
  BuildFailure,
  BuildGraph,
  BuildGraphNode,
  BuildOutcome,
  BuildOutput,
  BuildRequest,
  CacheExport,
  CacheForm,
  CacheFrom,
  CacheTo,
  ImageAnnotation,
  SshGrant,
  Ulimit,
  VerifyOutcome,
} from './api/build.js'
export type {
  CommitRequest,
  ContainerChange,
  ContainerEngine,
  ContainerFilters,
  ContainerLoad,
  ContainerSize,
  ContainerSummary,
  CopyFrom,
  CopyOptions,
  CopyTo,
  ExecRequest,
  LogsRequest,
  StopOptions,
  StreamRequest,
} from './api/containers.js'
export type { ContainerUsage, DiskUsage, ImageUsage, VolumeUsage } from './api/disk-usage.js'
export type {
  DockerfileAnswer,
  DockerfileCheck,
  DockerfileEngine,
  DockerfileRequest,
  DockerfileTarget,
} from './api/dockerfile.js'
export type {
  ExploredImage,
  ExploredLayer,
  ImageDifference,
  ImagePruneRequest,
  ImageVerdict,
  LayerChange,
  PathDifference,
} from './api/image-checks.js'
export type { ImageEngine, ImageInspect, ImageSummary } from './api/images.js'
export type { InspectedManifest, ManifestListEngine } from './api/manifest-lists.js'
export type {
  FoundImage,
  LoginOutcome,
  LoginRequest,
  PulledImage,
  PullRequest,
  PushedImage,
  PushForm,
  PushRequest,
  RegistryEngine,
} from './api/registry.js'
export type { LogRequest, RunOutcome, RunRequest, StreamName } from './api/run.js'
export type {
  BuilderEngine,
  CacheFilter,
  DoctorReport,
  SystemEngine,
  SystemInfo,
  SystemPruneRequest,
  UnshareRequest,
  VolumeEngine,
  VolumeSummary,
} from './api/system.js'
export type { CacheUsage, DoctorFact, RunIsolation }

export interface EngineOptions {
  /** Folder of the store; default TSBOX_ROOT, else $XDG_DATA_HOME/tsbox, else ~/.local/share/tsbox. */
  root?: string | undefined
  env: Readonly<Record<string, string | undefined>>
  /** Gets what the user should know of, in words. */
  warn?: ((message: string) => void) | undefined
}

export interface Engine {
  build(request: BuildRequest, progress: ProgressSink): Promise<BuildOutcome>
  /** Builds twice without the cache and compares; what is built is kept and written only where both are equal. */
  verify(request: BuildRequest, progress: ProgressSink): Promise<VerifyOutcome>
  run(request: RunRequest): Promise<RunOutcome>
  dockerfile: DockerfileEngine
  images: ImageEngine
  containers: ContainerEngine
  volumes: VolumeEngine
  builder: BuilderEngine
  registry: RegistryEngine
  manifests: ManifestListEngine
  system: SystemEngine
  doctor(): Promise<DoctorReport>
  /** Ends helpers and leases. Idempotent. */
  close(): Promise<void>
}
