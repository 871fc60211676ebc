import type { StageInstruction } from '../instruction.js'
import type { LintImage } from './lint.js'

const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** What checks need to know of a stage while they walk through it. */
export class StageScope {
  readonly env: Map<string, string>
  /** ARGs declared so far. */
  readonly args: Set<string>
  /** The stage, or what it stands on, has set SHELL. */
  hasShell: boolean
  /** WORKDIR was set in this Dockerfile. */
  workdirSet: boolean
  os: string
  /** Nothing is known of the base image: it may set any variable. */
  readonly open: boolean
  /** Triggers that the next stage runs. */
  triggers: string[]
  /** CMD, ENTRYPOINT and HEALTHCHECK of this stage, the last of each. */
  readonly last = new Map<StageInstruction['type'], StageInstruction>()

  constructor(parent: StageScope | undefined, image: LintImage | undefined, os: string, open = false) {
    this.env = new Map(parent?.env ?? image?.env ?? [])
    if (!this.env.has('PATH')) this.env.set('PATH', DEFAULT_PATH)
    this.args = new Set(parent?.args)
    this.hasShell = parent?.hasShell ?? image?.hasShell ?? false
    this.workdirSet = parent?.workdirSet ?? false
    this.os = parent?.os ?? os
    this.open = parent?.open ?? open
    this.triggers = [...(parent?.triggers ?? image?.triggers ?? [])]
  }

  /** Takes the triggers: each runs in one stage only. */
  takeTriggers(): string[] {
    const taken = this.triggers
    this.triggers = []
    return taken
  }
}
