import { TsboxError } from '../../base/error.js'
import { cleanPath } from '../../base/path.js'
import type { RunInstruction } from '../dockerfile/instruction.js'
import type { Mount } from '../dockerfile/mount.js'
import type { DispatchContext } from './dispatch-context.js'
import type { PlanOptions } from './plan-options.js'
import { planMounts, runCommand, runHistory, runOp } from './run-step.js'
import type { StageState } from './stage-state.js'
import type { Op, RunOp, Vertex } from './vertex.js'

/** Adds a step that executes to a stage. @throws TsboxError E_UNSUPPORTED for privileges and devices that nobody has */
export async function dispatchRun(i: RunInstruction, state: StageState, ctx: DispatchContext): Promise<void> {
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
