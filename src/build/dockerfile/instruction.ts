import type { EscapeToken, Heredoc, LineRange, ParseWarning } from './ast.js'
import type { Directives } from './directive.js'
import type { Mount } from './mount.js'

/** What every instruction has. Words are unexpanded unless the field says otherwise: see `expandInstruction`. */
interface Common {
  /** As the user wrote it, any case. */
  keyword: string
  /** The logical line, continuations joined, heredocs and comments left out: what progress and errors show. */
  original: string
  /** Lines of the file, heredocs included. */
  location: LineRange
  /** Text of the comment lines directly above. */
  comments: readonly string[]
  /** True for an instruction that came out of an ONBUILD trigger. */
  onbuild: boolean
}

/** `K=V` of ENV and LABEL, in order. */
export interface KeyValue {
  key: string
  value: string
  /** False for the old form `ENV key value`: the rest of the line is the value. */
  delimited: boolean
}

/** One argument of ARG: `value` is undefined where no default was given. */
export interface ArgDefinition {
  key: string
  value: string | undefined
  /** The comment above in the form `# key text`. */
  doc: string
}

/** A command in exec form (`["a", "b"]`) or shell form (one string). */
export type CommandForm = { json: true; args: string[] } | { json: false; text: string }

/** A file whose content stands in the Dockerfile: a COPY or ADD source from a heredoc. */
export interface InlineSource {
  /** Name of the file. */
  path: string
  /** Tabs already removed where `<<-` asked for it; expand it iff `expand`. */
  data: string
  expand: boolean
}

export interface FromInstruction extends Common {
  type: 'from'
  base: string
  /** Value of `--platform`, `''` where absent. */
  platform: string
  /** Lower-cased name, `''` where absent. */
  name: string
  /** The word between base and name as written (`AS`, `as`, …); undefined where there is no name. */
  asKeyword: string | undefined
  /** Name as the user wrote it. */
  originalName: string
}

export interface ArgInstruction extends Common {
  type: 'arg'
  args: ArgDefinition[]
}

export interface EnvInstruction extends Common {
  type: 'env'
  pairs: KeyValue[]
}

export interface LabelInstruction extends Common {
  type: 'label'
  pairs: KeyValue[]
}

export interface RunInstruction extends Common {
  type: 'run'
  /** Empty shell form with heredocs: the heredoc is the script. */
  command: CommandForm
  heredocs: Heredoc[]
  /** Only `spec` and `from` are known before `expandInstruction`. */
  mounts: Mount[]
  /** `''` where the flag is absent. */
  network: '' | 'default' | 'none' | 'host'
  security: '' | 'sandbox' | 'insecure'
  /** CDI devices: `--device=name,required`. */
  devices: { name: string; required: boolean }[]
}

interface Transfer extends Common {
  /** Words that name files, in order; heredoc sources are in `inline`. */
  sources: string[]
  inline: InlineSource[]
  dest: string
  /** `user[:group]` or `''`. */
  chown: string
  /** Octal or symbolic, or `''`; parse with `parseChmod` after expansion. */
  chmod: string
  link: boolean
  /** Patterns of `--exclude`. */
  exclude: string[]
}

export interface CopyInstruction extends Transfer {
  type: 'copy'
  /** Stage name, index, image or named context; `''` is the build context. Never expanded. */
  from: string
  parents: boolean
}

export interface AddInstruction extends Transfer {
  type: 'add'
  /** `algorithm:hex`, or `''`. */
  checksum: string
  /** Undefined where the flag is absent. */
  keepGitDir: boolean | undefined
  unpack: boolean | undefined
}

export interface CmdInstruction extends Common {
  type: 'cmd'
  command: CommandForm
}

export interface EntrypointInstruction extends Common {
  type: 'entrypoint'
  command: CommandForm
}

export interface ShellInstruction extends Common {
  type: 'shell'
  shell: string[]
}

export interface WorkdirInstruction extends Common {
  type: 'workdir'
  path: string
}

export interface UserInstruction extends Common {
  type: 'user'
  user: string
}

export interface VolumeInstruction extends Common {
  type: 'volume'
  volumes: string[]
}

export interface ExposeInstruction extends Common {
  type: 'expose'
  /** Sorted words, each may expand to several; `parsePorts` reads them after expansion. */
  ports: string[]
}

export interface StopSignalInstruction extends Common {
  type: 'stopsignal'
  signal: string
}

export interface OnbuildInstruction extends Common {
  type: 'onbuild'
  /** The trigger's text with its heredocs, as the image's config stores it; read it with `parseInstruction`. */
  expression: string
}

export interface MaintainerInstruction extends Common {
  type: 'maintainer'
  maintainer: string
}

export interface HealthcheckInstruction extends Common {
  type: 'healthcheck'
  /** `['NONE']`, `['CMD', …]` or `['CMD-SHELL', text]`. */
  test: string[]
  /** Nanoseconds; 0 where the flag is absent. */
  intervalNs: number
  timeoutNs: number
  startPeriodNs: number
  startIntervalNs: number
  retries: number
}

/** One parsed instruction. */
export type Instruction =
  | FromInstruction
  | ArgInstruction
  | EnvInstruction
  | LabelInstruction
  | RunInstruction
  | CopyInstruction
  | AddInstruction
  | CmdInstruction
  | EntrypointInstruction
  | ShellInstruction
  | WorkdirInstruction
  | UserInstruction
  | VolumeInstruction
  | ExposeInstruction
  | StopSignalInstruction
  | OnbuildInstruction
  | MaintainerInstruction
  | HealthcheckInstruction

/** An instruction inside a stage. */
export type StageInstruction = Exclude<Instruction, FromInstruction>

/** A build stage: FROM and what follows. */
export interface Stage {
  /** Lower-cased; `''` where the stage has none. */
  name: string
  /** Unexpanded base: a stage's name, an image or `scratch`. */
  base: string
  /** Unexpanded `--platform`, `''` where absent. */
  platform: string
  from: FromInstruction
  instructions: StageInstruction[]
  /** The FROM instruction's. */
  location: LineRange
  /** The comment above in the form `# name text`: what `--call=targets` shows. */
  doc: string
}

/** A whole file. */
export interface Dockerfile {
  file: string
  /** The text as given: errors print from it. */
  text: string
  escape: EscapeToken
  directives: Directives
  /** ARGs before the first FROM. */
  metaArgs: ArgInstruction[]
  /** At least one. */
  stages: Stage[]
  /** What the line parser disliked; `lint` reports it with the rest. */
  warnings: ParseWarning[]
}
