import { TsboxError } from '../../base/error.js'
import { cleanKeepSlash, cleanPath } from '../../base/path.js'
import { redactRemote, remoteKind } from '../../base/url.js'
import type {
  AddInstruction,
  CommandForm,
  CopyInstruction,
  HealthcheckInstruction,
  RunInstruction,
  StageInstruction,
  WorkdirInstruction,
} from '../dockerfile/instruction.js'
import type { Mount } from '../dockerfile/mount.js'
import { parsePorts } from '../dockerfile/ports.js'
import { parseSignal } from '../dockerfile/signal.js'
import type { PlanOptions } from './plan-options.js'
import { commandArgs, planMounts, runCommand, runHistory, runOp } from './run-step.js'
import type { StageState } from './stage-state.js'
import type { CopySource, Op, RunOp, Vertex } from './vertex.js'

/** What dispatching one instruction needs of the plan around it. */
export interface DispatchContext {
  options: PlanOptions
  /** Default values of ARGs before the first FROM. */
  metaArgs: ReadonlyMap<string, string | undefined>
  /** Resolves `--from` of COPY and mounts: a stage, an index, a named context, an image; `''` is the build context. */
  source(from: string): Promise<Vertex>
  /** Makes a vertex and names it; one with an empty title is not shown. */
  vertex(op: Op, inputs: readonly Vertex[], title: string): Vertex
  /** What progress shows of the instruction. */
  title(instruction: StageInstruction): string
  /** Expands a default value of ARG against what is set now. */
  expand(word: string): string
}

/** Applies one instruction, its variables already replaced, to the state of its stage. */
export async function dispatch(i: StageInstruction, state: StageState, ctx: DispatchContext): Promise<void> {
  const { config } = state
  switch (i.type) {
    case 'arg':
      return dispatchArg(i, state, ctx)
    case 'env':
      for (const { key, value } of i.pairs) state.setEnv(key, value)
      return state.record(`ENV ${i.pairs.map((p) => `${p.key}=${p.value}`).join(' ')}`)
    case 'label':
      config.Labels ??= {}
      for (const { key, value } of i.pairs) config.Labels[key] = value
      return state.record(`LABEL ${i.pairs.map((p) => `${p.key}=${p.value}`).join(' ')}`)
    case 'run':
      return dispatchRun(i, state, ctx)
    case 'copy':
    case 'add':
      return dispatchCopy(i, state, ctx)
    case 'cmd':
      config.Cmd = commandArgs(i.command, state.shell)
      if (!i.command.json) config.ArgsEscaped = true
      else delete config.ArgsEscaped
      state.cmdSet = true
      return state.record(`CMD ${goQuoted(config.Cmd)}`)
    case 'entrypoint':
      return dispatchEntrypoint(i.command, state)
    case 'shell':
      config.Shell = i.shell
      return state.record(`SHELL [${i.shell.join(' ')}]`)
    case 'workdir':
      return dispatchWorkdir(i, state, ctx)
    case 'user':
      config.User = i.user
      return state.record(`USER ${i.user}`)
    case 'volume':
      config.Volumes ??= {}
      for (const v of i.volumes) {
        if (v === '') throw new TsboxError('E_DOCKERFILE', 'VOLUME specified can not be an empty string')
        config.Volumes[v] = {}
      }
      return state.record(`VOLUME [${i.volumes.join(' ')}]`)
    case 'expose': {
      config.ExposedPorts ??= {}
      const ports = parsePorts(i.ports)
      for (const p of ports) config.ExposedPorts[p] = {}
      return state.record(`EXPOSE [${ports.join(' ')}]`)
    }
    case 'stopsignal':
      parseSignal(i.signal)
      config.StopSignal = i.signal
      return state.record(`STOPSIGNAL ${i.signal}`)
    case 'onbuild':
      config.OnBuild = [...(config.OnBuild ?? []), i.expression]
      return state.record(`ONBUILD ${i.expression}`)
    case 'maintainer':
      state.author = i.maintainer
      return state.record(`MAINTAINER ${i.maintainer}`)
    case 'healthcheck':
      return dispatchHealthcheck(i, state)
  }
}

function dispatchArg(i: Extract<StageInstruction, { type: 'arg' }>, state: StageState, ctx: DispatchContext): void {
  const shown: string[] = []
  for (const arg of i.args) {
    const given = ctx.options.buildArgs[arg.key]
    let value = given
    if (value === undefined && arg.value !== undefined) value = ctx.expand(arg.value)
    if (value === undefined) value = ctx.metaArgs.get(arg.key)
    if (value !== undefined) state.setArg(arg.key, value)
    state.buildArgs.set(arg.key, value)
    shown.push(value === undefined ? arg.key : `${arg.key}=${value}`)
  }
  state.record(`ARG ${shown.join(' ')}`)
}

async function dispatchRun(i: RunInstruction, state: StageState, ctx: DispatchContext): Promise<void> {
  if (i.security === 'insecure')
    throw new TsboxError(
      'E_UNSUPPORTED',
      'RUN --security=insecure: there is no root on this machine to give to a step',
      {
        hint: 'remove the flag: a step runs as root of its own user namespace, which is all that there is to give',
      },
    )
  for (const d of i.devices)
    if (d.required) throw new TsboxError('E_UNSUPPORTED', `RUN --device: no such CDI device "${d.name}"`)
  const command = runCommand(i, state.shell)
  const inputs: Vertex[] = [state.vertex]
  const indexes = new Map<Mount, number>()
  for (const m of i.mounts) {
    if (m.type !== 'bind' && (m.type !== 'cache' || m.from === '')) continue
    const vertex = mountedPart(await ctx.source(m.from), m.source, ctx)
    const known = inputs.indexOf(vertex, 1)
    indexes.set(m, known > 0 ? known : inputs.push(vertex) - 1)
  }
  const { cacheNamespace } = ctx.options
  const mounts = planMounts(i.mounts, state, (m) => indexes.get(m)!).map((m) =>
    m.type === 'cache' && cacheNamespace !== undefined ? { ...m, id: `${cacheNamespace}/${m.id}` } : m,
  )
  if (command.script) mounts.push(command.script)
  const op = runOp(
    {
      args: command.args,
      shell: command.shell,
      mounts,
      network: i.network === '' ? ctx.options.network : i.network,
      extraHosts: [...ctx.options.extraHosts],
      hiddenEnv: hiddenEnv(state, ctx),
      ...sandbox(ctx.options),
    },
    state,
  )
  const createdBy = runHistory(state, command.args)
  state.vertex = ctx.vertex(op, inputs, ctx.title(i))
  state.record(createdBy, state.vertex)
}

/** Of a context only what is mounted counts: no other file of it is stored for the step or changes its key. */
function mountedPart(vertex: Vertex, source: string, ctx: DispatchContext): Vertex {
  if (vertex.op.kind !== 'context') return vertex
  const path = cleanPath(`/${source}`)
  const op: Op = {
    kind: 'copy',
    sources: [{ from: 'tree', input: 1, path: path.replace(/[\\*?[]/g, '\\$&') }],
    dest: path,
    exclude: [],
    parents: false,
    link: true,
    unpack: 'none',
  }
  return ctx.vertex(op, [{ op: { kind: 'scratch' }, inputs: [], name: '', noCache: false }, vertex], '')
}

/** What the build asks for that is not so by itself. */
function sandbox({
  shmSizeBytes,
  ulimits,
  hostname,
}: PlanOptions): Pick<RunOp, 'shmSizeBytes' | 'ulimits' | 'hostname'> {
  return {
    ...(shmSizeBytes === undefined ? {} : { shmSizeBytes }),
    ...(ulimits?.length ? { ulimits } : {}),
    ...(hostname === undefined ? {} : { hostname }),
  }
}

/** Proxy settings, unless the stage declared them itself. */
function hiddenEnv(state: StageState, ctx: DispatchContext): string[] {
  return Object.entries(ctx.options.hiddenEnv)
    .filter(([k]) => !state.env.has(k))
    .map(([k, v]) => `${k}=${v}`)
}

async function dispatchCopy(
  i: CopyInstruction | AddInstruction,
  state: StageState,
  ctx: DispatchContext,
): Promise<void> {
  const isAdd = i.type === 'add'
  const sources: CopySource[] = []
  const inputs: Vertex[] = [state.vertex]
  if (isAdd && i.checksum !== '') checkChecksum(i)
  if (i.sources.length) {
    let tree = -1
    for (const path of i.sources) {
      const remote = remoteKind(path)
      if (remote && !isAdd)
        throw new TsboxError('E_DOCKERFILE', `source can't be a ${remote === 'http' ? 'URL' : 'git ref'} for COPY`, {
          hint: 'use ADD',
        })
      if (remote === 'http')
        sources.push({ from: 'http', url: path, ...(isAdd && i.checksum ? { checksum: i.checksum } : {}) })
      if (remote === 'git' && isAdd) {
        const input = inputs.push(await gitVertex(i, path, ctx)) - 1
        sources.push({ from: 'tree', input, path: '/' })
      }
      if (remote) continue
      if (tree < 0) tree = inputs.push(await ctx.source(isAdd ? '' : i.from)) - 1
      sources.push({ from: 'tree', input: tree, path: i.type === 'copy' && i.parents ? path : cleanKeepSlash(path) })
    }
  }
  for (const f of i.inline) sources.push({ from: 'inline', name: f.path, content: f.data })
  const unpack = !isAdd ? 'none' : i.unpack === undefined ? 'local' : i.unpack ? 'all' : 'none'
  const op: Op = {
    kind: 'copy',
    sources,
    dest: destination(i.dest, state.config.WorkingDir || '/'),
    ...(i.chown === '' ? {} : { chown: i.chown }),
    ...(i.chmod === '' ? {} : { chmod: i.chmod }),
    exclude: i.exclude,
    parents: i.type === 'copy' && i.parents,
    link: i.link,
    unpack,
  }
  const shown = [...i.sources.map(redactRemote), ...i.inline.map((f) => `<<${f.path}`), i.dest].join(' ')
  const flags = [i.chown && `--chown=${i.chown} `, i.chmod && `--chmod=${i.chmod} `].filter(Boolean).join('')
  state.vertex = ctx.vertex(op, inputs, ctx.title(i))
  state.record(`${isAdd ? 'ADD' : 'COPY'} ${flags}${shown}`, state.vertex)
}

/** All of a repository, or the folder of it that its address names. */
async function gitVertex(i: AddInstruction, url: string, ctx: DispatchContext): Promise<Vertex> {
  // Loaded here only: few builds have one.
  const { parseGitUrl } = await import('../../base/git-url.js')
  const source = parseGitUrl(url)
  const { keepGitDir, checksum } = i
  if (keepGitDir !== undefined && source.keepGitDir !== undefined && keepGitDir !== source.keepGitDir)
    throw new TsboxError('E_DOCKERFILE', 'inconsistent keep-git-dir configuration')
  if (checksum !== '' && source.checksum !== '' && checksum !== source.checksum)
    throw new TsboxError('E_DOCKERFILE', `checksum mismatch "${checksum}" != "${source.checksum}"`)
  const op: Op = {
    kind: 'git',
    source: {
      ...source,
      checksum: checksum || source.checksum,
      keepGitDir: keepGitDir ?? source.keepGitDir,
    },
  }
  return { ...ctx.vertex(op, [], ''), name: `[internal] load git source ${redactRemote(url)}` }
}

/** @see BuildKit's dispatchCopy, whose words these are */
function checkChecksum({ sources, inline, checksum }: AddInstruction): void {
  if (sources.length + inline.length !== 1)
    throw new TsboxError('E_DOCKERFILE', "checksum can't be specified for multiple sources")
  if (!sources[0] || !remoteKind(sources[0]))
    throw new TsboxError('E_DOCKERFILE', 'checksum requires HTTP(S) or Git sources')
  if (remoteKind(sources[0]) === 'git') {
    if (/^[0-9a-f]{4,64}$/.test(checksum)) return
    throw new TsboxError('E_DOCKERFILE', `invalid checksum of a git source: "${checksum}"`, {
      hint: "give the commit's id, as git rev-parse shows it",
    })
  }
  const [, algorithm, hex] = /^([a-z0-9]+):([0-9a-f]+)$/.exec(checksum) ?? []
  const length = { sha256: 64, sha384: 96, sha512: 128 }[algorithm ?? '']
  if (!hex) throw new TsboxError('E_DOCKERFILE', `invalid checksum digest format: "${checksum}"`)
  if (!length) throw new TsboxError('E_DOCKERFILE', `unsupported digest algorithm: "${checksum}"`)
  if (hex.length !== length) throw new TsboxError('E_DOCKERFILE', `invalid checksum digest length: "${checksum}"`)
}

/** Rooted destination; a trailing slash is kept, `.` and nothing are the working directory. */
function destination(dest: string, workdir: string): string {
  if (dest.startsWith('/')) return cleanKeepSlash(dest)
  return cleanKeepSlash(`${workdir}/${dest === '' || dest === '.' ? './' : dest}`)
}

function dispatchEntrypoint(command: CommandForm, state: StageState): void {
  const { config } = state
  config.Entrypoint = commandArgs(command, state.shell)
  if (!state.cmdSet) delete config.Cmd
  state.record(`ENTRYPOINT ${goQuoted(config.Entrypoint)}`)
}

function dispatchWorkdir(i: WorkdirInstruction, state: StageState, ctx: DispatchContext): void {
  const { config } = state
  const { path } = i
  // As in BuildKit, a trailing slash stays in the image's configuration.
  const dir = cleanKeepSlash(path.startsWith('/') ? path : `${config.WorkingDir ?? ''}/${path}`)
  config.WorkingDir = dir
  if (dir === '/') {
    state.record(`WORKDIR ${dir}`)
    return
  }
  const op: Op = { kind: 'mkdir', path: dir, user: config.User ?? '' }
  state.vertex = ctx.vertex(op, [state.vertex], ctx.title(i))
  state.record(`WORKDIR ${dir}`, state.vertex)
}

function dispatchHealthcheck(i: HealthcheckInstruction, state: StageState): void {
  state.config.Healthcheck = {
    Test: i.test,
    ...(i.intervalNs ? { Interval: i.intervalNs } : {}),
    ...(i.timeoutNs ? { Timeout: i.timeoutNs } : {}),
    ...(i.startPeriodNs ? { StartPeriod: i.startPeriodNs } : {}),
    ...(i.startIntervalNs ? { StartInterval: i.startIntervalNs } : {}),
    ...(i.retries ? { Retries: i.retries } : {}),
  }
  state.record(`HEALTHCHECK ${JSON.stringify(i.test)}`)
}

function goQuoted(args: readonly string[]): string {
  return `[${args.map((a) => JSON.stringify(a)).join(' ')}]`
}
