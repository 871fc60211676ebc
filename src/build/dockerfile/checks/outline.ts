import type { LineRange } from '../ast.js'
import { locate } from '../fault.js'
import type { Dockerfile } from '../instruction.js'
import { expand } from '../shell-lex.js'
import { globalArgs } from './global-args.js'
import type { LintContext } from './lint.js'
import { Reporter } from './reporter.js'
import { StageWalk, type WalkObserver } from './stage-walk.js'

/** A build argument that a target takes. */
export interface OutlineArg {
  name: string
  /** The comment above in the form `# name text`, or `''`. */
  description: string
  /** What it has in this build, `''` for nothing. */
  value: string
  location: LineRange
}

/** A secret or an agent that a target mounts. */
export interface OutlineMount {
  name: string
  required: boolean
  location: LineRange
}

/** What a build of one target can be given, in the order of lines. */
export interface Outline {
  /** Of the target's stage; `''` where it has none. */
  name: string
  description: string
  args: OutlineArg[]
  secrets: OutlineMount[]
  ssh: OutlineMount[]
}

/** An ARG above the first FROM with those that its default uses. */
interface GlobalArg extends OutlineArg {
  uses: ReadonlySet<string>
}

/** What one stage asks for, each name once. */
interface StageAsks {
  args: Map<string, OutlineArg>
  /** Names of the ARGs above the first FROM that it uses. */
  globals: Set<string>
  secrets: Map<string, OutlineMount>
  ssh: Map<string, OutlineMount>
}

/**
 * Collects the parameters of a target and of the stages that it needs. Where stages declare the same name, the one
 * nearest to the target counts.
 *
 * @throws TsboxError E_DOCKERFILE with a location
 * @see moby/buildkit frontend/subrequests/outline
 */
export function outline(file: Dockerfile, context: LintContext): Outline {
  const reporter = new Reporter({ skip: [], skipAll: true, experimental: [], experimentalAll: false, error: false })
  const buildArgs = context.buildArgs ?? {}
  const settings = {
    buildArgs,
    platform: context.platform,
    buildPlatform: context.buildPlatform ?? context.platform,
    target: context.target || file.stages.at(-1)!.name,
  }
  const globals = globalArgs(file, settings, true)
  const stages = file.stages.map((): StageAsks => emptyAsks())
  const input = { file, context: { ...context, lastOnly: true }, globals, buildArgs, ignore: undefined, reporter }
  const { target, needs } = new StageWalk({ ...input, observer: collector(stages) }).run()
  const above = globalsAbove(file, buildArgs, globals.values)
  const all = emptyAsks()
  for (const index of nearestFirst(target, needs)) merge(all, stages[index]!, above)
  const stage = file.stages[target]!
  return {
    name: stage.name,
    description: stage.doc,
    args: sorted(all.args),
    secrets: sorted(all.secrets),
    ssh: sorted(all.ssh),
  }
}

function emptyAsks(): StageAsks {
  return { args: new Map(), globals: new Set(), secrets: new Map(), ssh: new Map() }
}

function collector(stages: readonly StageAsks[]): WalkObserver {
  return {
    from: (stage, { used }) => {
      for (const name of used) stages[stage]!.globals.add(name)
    },
    arg: (stage, { key, doc }, location, value, inherited) => {
      if (inherited) stages[stage]!.globals.add(key)
      else stages[stage]!.args.set(key, { name: key, description: doc, value: value ?? '', location })
    },
    run: (stage, { mounts, location }) => {
      for (const { type, id, source, target, required } of mounts) {
        if (type !== 'secret' && type !== 'ssh') continue
        const own = source || id
        const name = type === 'secret' ? own || target.split('/').pop()! : own || 'default'
        const known = type === 'secret' ? stages[stage]!.secrets : stages[stage]!.ssh
        if (!known.has(name)) known.set(name, { name, required, location })
      }
    },
  }
}

function globalsAbove(
  file: Dockerfile,
  buildArgs: Readonly<Record<string, string | undefined>>,
  values: ReadonlyMap<string, string>,
): Map<string, GlobalArg> {
  const out = new Map<string, GlobalArg>()
  for (const { args, location } of file.metaArgs)
    for (const { key, value, doc } of args) {
      const ownDefault = buildArgs[key] === undefined ? (value ?? '') : ''
      const lookup = (name: string) => values.get(name)
      const uses = locate(file, location, () => expand(ownDefault, lookup, { escape: file.escape }).matched)
      out.set(key, { name: key, description: doc, value: values.get(key) ?? '', location, uses })
    }
  return out
}

/** A stage, then what it takes from, its base first. */
function nearestFirst(target: number, needs: readonly (readonly number[])[]): Set<number> {
  const seen = new Set<number>()
  const visit = (index: number) => {
    if (seen.has(index)) return
    seen.add(index)
    for (const n of needs[index]!) visit(n)
  }
  visit(target)
  return seen
}

function merge(all: StageAsks, stage: StageAsks, above: ReadonlyMap<string, GlobalArg>): void {
  for (const [name, arg] of stage.args) if (!all.args.has(name)) all.args.set(name, arg)
  for (const name of stage.globals) addGlobal(all, name, above)
  for (const [name, secret] of stage.secrets) if (!all.secrets.has(name)) all.secrets.set(name, secret)
  for (const [name, ssh] of stage.ssh) if (!all.ssh.has(name)) all.ssh.set(name, ssh)
}

/** Predefined arguments stand in no line and are left out. */
function addGlobal(all: StageAsks, name: string, above: ReadonlyMap<string, GlobalArg>): void {
  const arg = above.get(name)
  if (!arg || all.args.has(name)) return
  const { uses, ...plain } = arg
  all.args.set(name, plain)
  for (const other of uses) addGlobal(all, other, above)
}

function sorted<T extends { location: LineRange }>(items: ReadonlyMap<string, T>): T[] {
  return [...items.values()].sort((a, b) => a.location.line - b.location.line)
}
