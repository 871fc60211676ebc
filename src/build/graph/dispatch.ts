import { TsboxError } from '../../base/error.js'
import { cleanKeepSlash } from '../../base/path.js'
import type {
  CommandForm,
  HealthcheckInstruction,
  StageInstruction,
  WorkdirInstruction,
} from '../dockerfile/instruction.js'
import { parsePorts } from '../dockerfile/ports.js'
import { parseSignal } from '../dockerfile/signal.js'
import type { DispatchContext } from './dispatch-context.js'
import { dispatchCopy } from './dispatch-copy.js'
import { dispatchRun } from './dispatch-run.js'
import { commandArgs } from './run-step.js'
import type { StageState } from './stage-state.js'
import type { Op } from './vertex.js'

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
