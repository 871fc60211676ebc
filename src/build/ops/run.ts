import { TsboxError } from '../../base/error.js'
import type { RunMount, RunOp, Vertex } from '../graph/vertex.js'
import type {
  BuildHost,
  FailedStep,
  FileTree,
  Layer,
  SshAgent,
  StepExecutor,
  StepMount,
  StepOutput,
  StepResult,
  StepSpec,
} from '../seams.js'
import { exitHint } from './exit-hint.js'

/** What runs are given beside the graph: values that never enter a key. */
export interface RunInputs {
  /** Content of a secret, undefined where it was not given. */
  secret(id: string): Promise<Uint8Array | undefined>
  /** An agent on this machine, undefined where it was not given. */
  sshAgent(id: string): Promise<SshAgent | undefined>
  epoch?: number | undefined
}

/** Where a step's life and output go. */
export interface StepProgress extends StepOutput {
  /** The step begins to execute now. */
  started(): void
}

export interface RunContext {
  /** Layers of each input of the vertex, in order. */
  layers: readonly (readonly Layer[])[]
  root: FileTree
  output: StepProgress
  signal: AbortSignal
  inputs: RunInputs
  /** Told which executor was chosen, before it runs. */
  chosen?: ((executor: StepExecutor) => void) | undefined
  /** Hears of a failure while the step can still be looked at; `failed` is absent where its executor can't show it. */
  onFailure?: ((error: StepFailed, failed: FailedStep | undefined) => Promise<void>) | undefined
}

/** A step that ended with something else than 0, as BuildKit words it. */
export class StepFailed extends TsboxError {
  readonly stepExitCode: number
  readonly vertexName: string

  constructor(v: Vertex, args: readonly string[], result: StepResult) {
    const { exitCode } = result
    super('E_STEP_FAILED', `process "${args.join(' ')}" did not complete successfully: exit code: ${exitCode}`, {
      location: v.location,
      hint: exitHint(result),
    })
    this.stepExitCode = exitCode
    this.vertexName = v.name
  }
}

/** What the choice of an executor adds to the step's key. @throws TsboxError E_NO_EXECUTOR */
export async function executorSalt(host: BuildHost, op: RunOp, root: FileTree): Promise<string> {
  return (await chooseExecutor(host, op, root)).keySalt
}

/** The executor that runs the step: the first that accepts it. */
async function chooseExecutor(host: BuildHost, op: RunOp, root: FileTree): Promise<StepExecutor> {
  const probe: StepSpec = { ...stepFields(op), layers: [], mounts: [] }
  for (const executor of await host.executors()) if (await executor.accepts(probe, root)) return executor
  throw new TsboxError('E_NO_EXECUTOR', `run step: no backend can execute it "${op.args.join(' ')}"`, {
    hint: 'tsbox doctor tells what this machine lacks',
  })
}

/**
 * Executes a RUN.
 *
 * @returns the layer of its changes
 * @throws StepFailed when the process ends with something else than 0
 */
export async function runLayer(host: BuildHost, v: Vertex, op: RunOp, context: RunContext): Promise<Layer> {
  const executor = await chooseExecutor(host, op, context.root)
  context.chosen?.(executor)
  const { inputs } = context
  const secretEnv: string[] = []
  const mounts: StepMount[] = []
  for (const m of op.mounts) {
    const mount = await stepMount(m, context, secretEnv)
    if (mount) mounts.push(mount)
  }
  const spec: StepSpec = {
    ...stepFields(op),
    env: [...op.env, ...op.hiddenEnv, ...secretEnv, ...sshEnv(op.env, mounts)],
    layers: context.layers[0]!,
    mounts,
    epoch: inputs.epoch,
  }
  const { onFailure } = context
  let shown: StepFailed | undefined
  const show = async (failed: FailedStep) => {
    shown = new StepFailed(v, op.args, failed.result)
    await onFailure?.(shown, failed)
  }
  const result = await executor.run(spec, context.output, context.signal, onFailure && show)
  if (result.exitCode === 0 && result.layer) return result.layer
  if (shown) throw shown
  const error = new StepFailed(v, op.args, result)
  await onFailure?.(error, undefined)
  throw error
}

function stepFields(op: RunOp): Omit<StepSpec, 'layers' | 'mounts'> {
  const { args, env, cwd, user, network, extraHosts, shmSizeBytes, ulimits, hostname, stageShell } = op
  return { args, env, cwd, user, network, extraHosts, shmSizeBytes, ulimits, hostname, stageShell }
}

async function stepMount(m: RunMount, context: RunContext, secretEnv: string[]): Promise<StepMount | undefined> {
  switch (m.type) {
    case 'bind':
      return {
        type: 'bind',
        target: m.target,
        source: { layers: context.layers[m.input]! },
        path: m.path,
        readonly: m.readonly,
      }
    case 'cache': {
      const { input, path, ...fields } = m
      return { ...fields, seed: input === undefined ? undefined : { layers: context.layers[input]!, path } }
    }
    case 'tmpfs':
      return m
    case 'file':
      return {
        type: 'secret',
        target: m.target,
        value: new TextEncoder().encode(m.content),
        mode: 0o755,
        uid: 0,
        gid: 0,
      }
    case 'secret':
      return secretMount(m, context.inputs, secretEnv)
    case 'ssh':
      return sshMount(m, context.inputs)
  }
}

async function secretMount(
  m: Extract<RunMount, { type: 'secret' }>,
  inputs: RunInputs,
  secretEnv: string[],
): Promise<StepMount | undefined> {
  const value = await inputs.secret(m.id)
  if (!value) {
    if (!m.required) return undefined
    throw new TsboxError('E_NO_SECRET', `mount secret: not given to this build "${m.id}"`, {
      hint: `tsbox build --secret id=${m.id},src=FILE`,
    })
  }
  if (m.env !== undefined) secretEnv.push(`${m.env}=${new TextDecoder().decode(value)}`)
  if (m.target === undefined) return undefined
  return { type: 'secret', target: m.target, value, mode: m.mode, uid: m.uid, gid: m.gid }
}

async function sshMount(
  m: Extract<RunMount, { type: 'ssh' }>,
  inputs: RunInputs,
): Promise<Extract<StepMount, { type: 'ssh' }> | undefined> {
  const agent = await inputs.sshAgent(m.id)
  if (agent) return { type: 'ssh', target: m.target, agent, mode: m.mode, uid: m.uid, gid: m.gid }
  if (!m.required) return undefined
  const option = m.id === 'default' ? '--ssh default' : `--ssh ${m.id}=KEYFILE`
  throw new TsboxError('E_NO_SSH', `mount ssh: no agent given to this build "${m.id}"`, {
    hint: `tsbox build ${option}`,
  })
}

/** ssh finds its agent by a variable; the image's own wins, the first of several agents else. */
function sshEnv(env: readonly string[], mounts: readonly StepMount[]): string[] {
  const first = mounts.find((m) => m.type === 'ssh')
  return !first || env.some((v) => v.startsWith('SSH_AUTH_SOCK=')) ? [] : [`SSH_AUTH_SOCK=${first.target}`]
}
