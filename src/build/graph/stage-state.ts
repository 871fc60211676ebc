import type { ContainerConfig, HistoryEntry, ImageConfig } from '../../oci/config.js'
import type { Platform } from '../../oci/platform.js'
import type { Vertex } from './vertex.js'

/** PATH of an image that sets none. @see moby/buildkit util/system, DefaultPathEnvUnix */
const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** A line of history in the making; `vertex` is the step that made its layer. */
export interface PlannedHistory {
  createdBy: string
  vertex?: Vertex | undefined
  /** A line that came with the base image, taken as it is. */
  inherited?: HistoryEntry | undefined
}

/** What a stage has become so far: its files (a vertex), its configuration, the variables its instructions see. */
export class StageState {
  vertex: Vertex
  readonly platform: Platform
  config: ContainerConfig
  author: string | undefined
  /** Fields of the base's config that are passed on. */
  readonly base: ImageConfig | undefined
  history: PlannedHistory[]
  /** ARG and ENV, latest value wins; order is that of first appearance. */
  env: Map<string, string>
  /** ARGs declared so far with the values they had, for history lines. */
  buildArgs: Map<string, string | undefined>
  /** Whether this stage set CMD itself: ENTRYPOINT then leaves it. */
  cmdSet = false

  private constructor(vertex: Vertex, platform: Platform, base: ImageConfig | undefined) {
    this.vertex = vertex
    this.platform = platform
    this.base = base
    this.config = structuredClone(base?.config ?? {})
    this.author = base?.author
    this.history = (base?.history ?? []).map((h) => ({ createdBy: h.created_by ?? '', inherited: h }))
    this.env = new Map()
    this.buildArgs = new Map()
  }

  /** State of a stage right after FROM of an image or of scratch. */
  static fromImage(vertex: Vertex, platform: Platform, base: ImageConfig | undefined): StageState {
    const state = new StageState(vertex, platform, base)
    state.#loadEnv()
    return state
  }

  /** State of a stage right after FROM of an earlier stage: variables of its ARGs come along. */
  static fromStage(parent: StageState): StageState {
    const state = new StageState(parent.vertex, parent.platform, parent.base)
    state.config = structuredClone(parent.config)
    state.author = parent.author
    state.history = [...parent.history]
    state.env = new Map(parent.env)
    state.buildArgs = new Map(parent.buildArgs)
    state.#loadEnv()
    return state
  }

  /** Sets a variable for the instructions that follow, not for the image. */
  setArg(key: string, value: string): void {
    this.env.set(key, value)
  }

  /** Sets a variable of the image. */
  setEnv(key: string, value: string): void {
    this.env.set(key, value)
    this.config.Env ??= []
    const list = this.config.Env
    const at = list.findIndex((e) => e.startsWith(`${key}=`) || e === key)
    if (at < 0) list.push(`${key}=${value}`)
    else list[at] = `${key}=${value}`
  }

  /** `K=V` lines as a process gets them. */
  environment(): string[] {
    return [...this.env].map(([k, v]) => `${k}=${v}`)
  }

  /** Adds a line to the image's history. */
  record(createdBy: string, vertex?: Vertex): void {
    this.history.push({ createdBy, vertex })
  }

  get shell(): string[] {
    return this.config.Shell?.length ? this.config.Shell : ['/bin/sh', '-c']
  }

  #loadEnv(): void {
    for (const line of this.config.Env ?? []) {
      const eq = line.indexOf('=')
      this.env.set(eq < 0 ? line : line.slice(0, eq), eq < 0 ? '' : line.slice(eq + 1))
    }
    if (!this.env.has('PATH')) this.setEnv('PATH', DEFAULT_PATH)
  }
}
