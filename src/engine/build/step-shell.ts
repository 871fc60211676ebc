import { TsboxError } from '../../base/error.js'
import type { StepSpec } from '../../build/seams.js'
import type { ResolvedUser } from '../../oci/user.js'
import type { Step } from '../../rootless/agent.js'
import type { ContainerMount, ContainerSpec } from '../../rootless/container-spec.js'
import { HelperError } from '../../rootless/error.js'
import type { IdEmulation, IdMode, OverlaySpec, Rlimit } from '../../rootless/plan.js'
import { makeDir } from '../../util/make-dir.js'
import type { Workshop } from '../layers/workshop.js'
import { makePlan } from '../run/container-plan.js'
import { processSpec } from '../run/process.js'
import { followSize, rawTerminal, terminalSize } from '../run/terminal.js'

/** A step as it was when it failed; its folders are still there. */
export interface StepScene {
  spec: StepSpec
  container: ContainerSpec
  trees: readonly OverlaySpec[]
  /** Folders of cache mounts, which keep what the step wrote and get nothing of the shell. */
  caches: readonly string[]
  user: ResolvedUser
  rlimits: readonly Rlimit[]
}

/** Tried after the stage's own, in this order. */
const SHELLS = ['/bin/sh', 'bash', 'sh', 'ash']
const PLAIN_TERMINAL = 'xterm'

/**
 * Opens an interactive shell in a failed step, on this process's terminal, and settles when it has ended. Everything
 * that the step could write lies below layers of the shell's own, which go with it.
 *
 * @throws TsboxError E_NO_SHELL
 */
export async function openStepShell(shop: Workshop, scene: StepScene, signal: AbortSignal): Promise<void> {
  const agent = await shop.agent()
  const dir = shop.lease.tempPath('shell')
  makeDir(dir, 0o755)
  try {
    let { cwd } = scene.spec
    let attempt = 0
    for (const args of shellCandidates(scene.spec.stageShell)) {
      const enter = () => {
        const over = overScene(scene, `${dir}/${attempt++}`)
        return runShell(shop, { ...over, spec: { ...scene.spec, cwd } }, args, signal)
      }
      let met = await enter()
      if (met === 'no folder') {
        // The step has removed the folder that it ran in.
        cwd = '/'
        met = await enter()
      }
      if (met === 'ran') return
    }
  } finally {
    await agent.remove([dir]).catch(() => {})
  }
  throw new TsboxError('E_NO_SHELL', 'open a shell in the failed step: its image has none of bash, sh, ash', {
    hint: 'put a shell into the stage, as COPY --from=IMAGE /bin/busybox /bin/sh, or look at it with --target',
  })
}

/** Programs to try: of the stage's SHELL what stands before its first option, then the usual ones. */
export function shellCandidates(stageShell: readonly string[] = []): string[][] {
  const options = stageShell.findIndex((word, n) => n > 0 && word.startsWith('-'))
  const own = options < 0 ? stageShell.slice(0, 1) : stageShell.slice(0, options)
  const all = [...(own.length ? [[...own]] : []), ...SHELLS.map((shell) => [shell])]
  return all.filter((args, n) => all.findIndex((other) => other.join('\0') === args.join('\0')) === n)
}

/** The step's container with what the step wrote turned into layers below new, empty ones. */
function overScene(scene: StepScene, dir: string): StepScene {
  let made = 0
  const place = () => {
    const base = `${dir}/${made++}`
    for (const sub of ['', '/fs', '/work']) makeDir(`${base}${sub}`, 0o755)
    return { upper: `${base}/fs`, work: `${base}/work` }
  }
  makeDir(dir, 0o755)
  const { container, caches } = scene
  const trees: OverlaySpec[] = scene.trees.map((t) =>
    t.upper === undefined ? t : { layers: [...t.layers, t.upper], ...place() },
  )
  const mounts = container.mounts.map((m): ContainerMount => {
    if (m.op !== 'bind' || !('path' in m.source) || !caches.includes(m.source.path)) return m
    const tree = trees.push({ layers: [m.source.path], ...place() }) - 1
    return { ...m, source: { tree } }
  })
  const stub = `${dir}/stub`
  makeDir(stub, 0o755)
  const layers = [...container.layers, container.upper!]
  return { ...scene, trees, container: { ...container, layers, ...place(), stub, mounts } }
}

/** What came of a candidate: it ran to its end, the image does not have it, or has no such folder to run it in. */
type Met = 'ran' | 'no shell' | 'no folder'

/** Runs one candidate to its end. */
async function runShell(shop: Workshop, scene: StepScene, args: readonly string[], signal: AbortSignal): Promise<Met> {
  const agent = await shop.agent()
  signal.throwIfAborted()
  // Before the helper reads from the terminal: what was typed meanwhile would be echoed twice.
  const restore = rawTerminal()
  let leave = () => {}
  try {
    const plan = makePlan(scene.container, scene.trees)
    const step = await agent.startStep(plan, { stdio: { mode: 'tty', stdin: true }, signal })
    try {
      const met = await startShell(step, scene, args, { mode: agent.mode, emulation: shop.emulation })
      if (met !== 'ran') return met
      leave = followSize(step)
      await step.exit
      return met
    } finally {
      await step.kill()
    }
  } finally {
    leave()
    restore()
  }
}

async function startShell(
  step: Step,
  { spec, user, rlimits }: StepScene,
  args: readonly string[],
  ids: { mode: IdMode; emulation: IdEmulation | undefined },
): Promise<Met> {
  const size = terminalSize()
  const hasTerm = spec.env.some((e) => e.startsWith('TERM='))
  const env = hasTerm ? spec.env : [...spec.env, `TERM=${process.env.TERM || PLAIN_TERMINAL}`]
  try {
    const fields = { args, env, cwd: spec.cwd, rlimits, ...(size ? { size } : {}) }
    await step.exec(processSpec(fields, user, ids.mode, ids.emulation))
    return 'ran'
  } catch (err) {
    if (err instanceof HelperError && err.stage === 'exec') return 'no shell'
    if (err instanceof HelperError && err.stage === 'chdir' && spec.cwd !== '/') return 'no folder'
    throw err
  }
}
