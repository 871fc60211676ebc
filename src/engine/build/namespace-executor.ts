import { existsSync, renameSync } from 'node:fs'
import { dirname } from 'node:path'
import { canonicalJson } from '../../base/hash.js'
import type { FailedStep, StepExecutor, StepMount, StepOutput, StepResult, StepSpec } from '../../build/seams.js'
import type { ResolvedUser } from '../../oci/user.js'
import type { Step } from '../../rootless/agent.js'
import type { ContainerMount, ContainerSpec } from '../../rootless/container-spec.js'
import type { OverlaySpec, Rlimit, RlimitName } from '../../rootless/plan.js'
import type { CacheMount } from '../../store/mounts.js'
import { makeDir, makeDirs } from '../../util/make-dir.js'
import type { NodeLayers } from '../layers/node-layers.js'
import { subtree } from '../layers/subtree.js'
import { layerId } from '../layers/toc-source.js'
import type { Workshop } from '../layers/workshop.js'
import { makePlan } from '../run/container-plan.js'
import { hostFiles } from '../run/host-files.js'
import { IDS_FAKED, processSpec, SHARED_PIDS, startFailure, USER_FILES, userOf } from '../run/process.js'
import type { AgentProxy } from '../ssh/agent-proxy.js'
import { oomKills } from './oom-kills.js'

/** BuildKit's, which programs know a build by. */
const HOSTNAME = 'buildkitsandbox'

type CacheStepMount = Extract<StepMount, { type: 'cache' }>

/** Scratch folders of one step; all are removed after it. */
interface Scratch {
  upperDir: string
  workDir: string
  stubDir: string
}

/** Who is told of a step that failed, before it is taken away. */
type OnFailure = (failed: FailedStep) => Promise<void>

/** Mounts of a step, the stacks that they take files from, and the cache mounts held meanwhile. */
interface Mounts {
  list: ContainerMount[]
  trees: OverlaySpec[]
  /** By what tells caches apart: a step that mounts one twice has it once. */
  held: Map<string, CacheMount>
  /** Sockets of this step, with agents behind them. */
  proxies: AgentProxy[]
}

/** Runs build steps in namespaces, on an overlay of the layers' snapshots; the upper becomes the next snapshot. */
export class NamespaceExecutor implements StepExecutor {
  readonly id = 'namespace'
  readonly keySalt = ''
  readonly #shop: Workshop
  readonly #layers: NodeLayers
  readonly #usable: () => Promise<boolean>
  /** Whether it was said that ids are pretended. */
  #faked = false

  /** @param usable whether this machine has namespaces to run steps in; undefined where its failure is to be told */
  constructor(shop: Workshop, layers: NodeLayers, usable: () => Promise<boolean> = async () => true) {
    this.#shop = shop
    this.#layers = layers
    this.#usable = usable
  }

  async accepts(): Promise<boolean> {
    return this.#usable()
  }

  async run(spec: StepSpec, output: StepOutput, signal: AbortSignal, onFailure?: OnFailure): Promise<StepResult> {
    const { store, lease } = this.#shop
    const mode = await this.#shop.mode()
    const agent = await this.#shop.agent()
    const lower = await this.#snapshots(spec.layers)
    const draft = store.snapshots.allocate(mode, lease)
    const scratch: Scratch = {
      upperDir: `${draft.dir}/fs`,
      workDir: lease.tempPath('work'),
      stubDir: lease.tempPath('stub'),
    }
    const mounts: Mounts = { list: [], trees: [], held: new Map(), proxies: [] }
    try {
      for (const dir of Object.values(scratch)) makeDir(dir, 0o755)
      await this.#holdCaches(spec.mounts, mounts.held, signal)
      for (const m of spec.mounts) mounts.list.push(await this.#mount(m, mounts, output))
      const container = stepContainer(spec, lower, mounts, scratch)
      const killsBefore = oomKills()
      const { exitCode, user } = await this.#execute(spec, { container, trees: mounts.trees }, output, signal)
      if (exitCode !== 0) {
        const result: StepResult = { exitCode, outOfMemory: oomKills() > killsBefore }
        await onFailure?.({ result, openShell: (ending) => this.#openShell(spec, container, mounts, user, ending) })
        return result
      }
      await agent.remove([scratch.workDir])
      const snapshot = store.snapshots.publish(draft, lease, { created: this.#shop.now() })
      return { exitCode, layer: { snapshot, snapshotMode: mode } }
    } finally {
      for (const mount of mounts.held.values()) mount.release()
      for (const proxy of mounts.proxies) proxy.close()
      const rest = mounts.trees.flatMap((t) => [t.upper, t.work]).filter((d) => d !== undefined)
      await agent.remove([draft.dir, scratch.workDir, scratch.stubDir, ...rest]).catch(() => {})
    }
  }

  async #execute(
    spec: StepSpec,
    parts: { container: ContainerSpec; trees: readonly OverlaySpec[] },
    output: StepOutput,
    signal: AbortSignal,
  ): Promise<{ exitCode: number; user: ResolvedUser }> {
    const agent = await this.#shop.agent()
    const step = await agent.startStep(makePlan(parts.container, parts.trees), {
      stdio: { mode: 'frames', stdin: false },
      onOutput: (stream, chunk) => output[stream](chunk),
      signal,
    })
    if (step.sharesPids) output.stderr(new TextEncoder().encode(`warning: ${SHARED_PIDS}\n`))
    const user = await orEnd(step, () => userOf(step, spec.user))
    try {
      const { args, env, cwd } = spec
      const process = processSpec({ args, env, cwd, rlimits: rlimits(spec) }, user, agent.mode, this.#shop.emulation)
      const { idsFaked } = await step.exec(process)
      if (idsFaked && !this.#faked) output.stderr(new TextEncoder().encode(`warning: ${IDS_FAKED}\n`))
      this.#faked ||= idsFaked
    } catch (err) {
      await step.kill()
      const failure = startFailure(err, spec.args)
      if (!failure) throw err
      output.stderr(new TextEncoder().encode(`${failure.message}\n`))
      return { exitCode: failure.exitCode, user }
    }
    const exit = await step.exit
    return { exitCode: exit.code ?? 128 + (exit.signal ?? 0), user }
  }

  async #openShell(
    spec: StepSpec,
    container: ContainerSpec,
    mounts: Mounts,
    user: ResolvedUser,
    signal: AbortSignal,
  ): Promise<void> {
    const { openStepShell } = await import('./step-shell.js')
    const caches = [...mounts.held.values()].map((m) => cacheFiles(m))
    await openStepShell(
      this.#shop,
      { spec, container, trees: mounts.trees, caches, user, rlimits: rlimits(spec) },
      signal,
    )
  }

  #snapshots(layers: StepSpec['layers']): Promise<string[]> {
    return Promise.all(layers.map((l) => this.#layers.snapshot(l)))
  }

  async #mount(m: StepMount, mounts: Mounts, output: StepOutput): Promise<ContainerMount> {
    switch (m.type) {
      case 'tmpfs':
        return { op: 'tmpfs', target: m.target, sizeBytes: m.sizeBytes }
      case 'secret':
        return { op: 'file', target: m.target, content: m.value, mode: m.mode, uid: m.uid, gid: m.gid }
      case 'ssh': {
        const { openAgentProxy } = await import('../ssh/agent-proxy.js')
        const proxy = await openAgentProxy(m.agent, this.#shop.lease)
        mounts.proxies.push(proxy)
        const { mode, uid, gid } = m
        return { op: 'bind', source: { path: proxy.path }, target: m.target, own: { mode, uid, gid } }
      }
      case 'cache':
        return this.#cacheMount(m, mounts.held.get(cacheId(m))!, output)
      case 'bind': {
        const layers = await this.#snapshots(m.source.layers)
        const tree = mounts.trees.push({ layers, ...(m.readonly ? {} : this.#writable()) }) - 1
        return { op: 'bind', source: { tree }, sub: m.path, target: m.target, readonly: m.readonly }
      }
    }
  }

  #writable(): { upper: string; work: string } {
    const upper = this.#shop.lease.tempPath('mount')
    const work = this.#shop.lease.tempPath('work')
    makeDir(upper, 0o755)
    makeDir(work, 0o755)
    return { upper, work }
  }

  /** Takes all caches in one order, whatever theirs in the step: two steps that want the same two can't block each other. */
  async #holdCaches(mounts: readonly StepMount[], held: Map<string, CacheMount>, signal: AbortSignal): Promise<void> {
    const mode = await this.#shop.mode()
    const wanted = new Map<string, CacheStepMount>()
    for (const m of mounts) {
      if (m.type === 'cache' && wanted.get(cacheId(m))?.sharing !== 'locked') wanted.set(cacheId(m), m)
    }
    for (const [id, { sharing }] of [...wanted].sort(([a], [b]) => (a < b ? -1 : 1)))
      held.set(id, await this.#shop.store.mounts.acquire({ id, sharing, mode, signal }))
  }

  async #cacheMount(m: CacheStepMount, mount: CacheMount, output: StepOutput): Promise<ContainerMount> {
    if (mount.fresh && !existsSync(cacheFiles(mount))) await this.#makeCache(mount.dir, m, output)
    const { id, mode, uid, gid, seed } = m
    this.#shop.store.mounts.note(mount, { id, mode, uid, gid, seed }, this.#shop.lease, Date.now())
    return { op: 'bind', source: { path: cacheFiles(mount) }, target: m.target, readonly: m.readonly }
  }

  /**
   * Owner and mode are those of the first use. The folder that is renamed is this user's own: one of a mapped user can't
   * be moved to another parent.
   */
  async #makeCache(dir: string, m: CacheStepMount, output: StepOutput): Promise<void> {
    const imported = await this.#importCache(m, output)
    const temp = imported ?? this.#shop.lease.tempPath('cache')
    if (!imported) makeDir(temp, 0o700)
    const agent = await this.#shop.agent()
    if (imported) {
      // As it was on another machine.
    } else if (m.seed) await agent.apply(temp, subtree(await this.#layers.tree(m.seed.layers), m.seed.path, 'fs'))
    else {
      const { mode, uid, gid } = m
      await agent.apply(temp, [
        { entry: { path: 'fs', type: 'dir', mode, uid, gid, mtime: this.#shop.now(), size: 0 } },
      ])
    }
    makeDirs(dirname(dir))
    try {
      renameSync(temp, dir)
    } catch (err) {
      // Somebody else made it meanwhile: theirs is the one.
      if (!existsSync(`${dir}/fs`)) throw err
    }
  }

  /** What the mount held where an imported cache comes from; what is wrong with that must not fail the step. */
  async #importCache(m: CacheStepMount, output: StepOutput): Promise<string | undefined> {
    const { origin } = this.#layers
    if (!origin) return undefined
    const { mountKey } = await import('../cache/mount-data.js')
    const key = await mountKey(m, async (layer) => (await this.#layers.seal(layer, undefined)).diffID)
    const data = await origin.mount(key)
    if (!data) return undefined
    const temp = this.#shop.lease.tempPath('cache')
    const agent = await this.#shop.agent()
    try {
      makeDir(temp, 0o700)
      await agent.apply(temp, [{ entry: { ...data.root, path: 'fs', mtime: this.#shop.now() } }])
      await agent.apply(`${temp}/fs`, data.entries())
      return temp
    } catch (err) {
      await agent.remove([temp])
      const why = err instanceof Error ? err.message : String(err)
      output.stderr(new TextEncoder().encode(`warning: cache mount "${m.id}" was not imported: ${why}\n`))
      return undefined
    }
  }
}

function stepContainer(spec: StepSpec, layers: readonly string[], mounts: Mounts, scratch: Scratch): ContainerSpec {
  const hostname = spec.hostname ?? HOSTNAME
  return {
    layers,
    upper: scratch.upperDir,
    work: scratch.workDir,
    stub: scratch.stubDir,
    mounts: mounts.list,
    network: spec.network === 'none' ? 'none' : 'host',
    hostname,
    ...hostFiles({ hostname, network: spec.network, extraHosts: spec.extraHosts }),
    shmSizeBytes: spec.shmSizeBytes,
    read: USER_FILES,
  }
}

/** Ends the step where `work` fails. */
async function orEnd<T>(step: Step, work: () => T): Promise<T> {
  try {
    return work()
  } catch (err) {
    await step.kill()
    throw err
  }
}

/** Folder of a cache mount's files. */
function cacheFiles(mount: CacheMount): string {
  return `${mount.dir}/fs`
}

/** As in BuildKit, a cache of another owner, mode or source is another cache. */
function cacheId({ id, mode, uid, gid, seed }: CacheStepMount): string {
  const source = seed && [seed.path, ...seed.layers.map(layerId)]
  return canonicalJson([id, mode, uid, gid, source ?? null])
}

function rlimits(spec: StepSpec): Rlimit[] {
  return (spec.ulimits ?? []).map((u) => ({ resource: u.name as RlimitName, soft: u.soft, hard: u.hard }))
}
