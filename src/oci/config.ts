/** Configuration of an image. Field names and cases are the specification's. @see OCI image-spec 1.1, config.md */
export interface ImageConfig {
  created?: string
  author?: string
  architecture: string
  variant?: string
  os: string
  'os.version'?: string
  'os.features'?: string[]
  config?: ContainerConfig
  rootfs: { type: 'layers'; diff_ids: string[] }
  history?: HistoryEntry[]
}

/** How a container of the image starts; the fields after StopSignal are Docker's extensions. */
export interface ContainerConfig {
  User?: string
  ExposedPorts?: Record<string, Record<string, never>>
  Env?: string[]
  Entrypoint?: string[] | null
  Cmd?: string[] | null
  Volumes?: Record<string, Record<string, never>>
  WorkingDir?: string
  Labels?: Record<string, string>
  StopSignal?: string
  ArgsEscaped?: boolean
  Healthcheck?: Healthcheck
  OnBuild?: string[]
  Shell?: string[]
}

/** Docker's health check; durations in nanoseconds. */
export interface Healthcheck {
  Test?: string[]
  Interval?: number
  Timeout?: number
  StartPeriod?: number
  StartInterval?: number
  Retries?: number
}

/** One line of an image's history. */
export interface HistoryEntry {
  created?: string
  created_by?: string
  author?: string
  comment?: string
  empty_layer?: boolean
}
