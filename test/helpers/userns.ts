import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { Agent } from '../../src/rootless/agent.js'
import { DEFAULT_CAPABILITIES } from '../../src/rootless/capability.js'
import {
  type ContainerMount,
  type ContainerSpec,
  containerPlan,
  stubEntries,
} from '../../src/rootless/container-spec.js'
import { HelperError } from '../../src/rootless/error.js'
import { type IdCandidate, idCandidates } from '../../src/rootless/id-map.js'
import type { ProcessSpec, StepExit, StepPlan } from '../../src/rootless/plan.js'

/** The executable under test; TSBOX_HELPER names another, as one built with sanitizers. */
export const HELPER = process.env.TSBOX_HELPER ?? join(process.env.TSBOX_REPO ?? process.cwd(), 'dist/tsbox-helper')

/** The id modes that this user can have, for tests that run once in each. */
export const ID_MODES: readonly IdCandidate[] = idCandidates(process.env)

/** True where user namespaces work; else skips the test, or fails it with TSBOX_MUST_WORK=1. */
export async function requireUserns(t: TestContext): Promise<boolean> {
  const agent = await startAgent(t, { mode: 'single', maps: { method: 'single' } })
  await agent?.close()
  return agent !== undefined
}

async function startAgent(t: TestContext, candidate: IdCandidate): Promise<Agent | undefined> {
  if (!existsSync(HELPER)) throw new Error(`${HELPER} is not there: npm run build`)
  try {
    return await Agent.start({ helperPath: HELPER, ...candidate })
  } catch (err) {
    if (!(err instanceof HelperError) || process.env.TSBOX_MUST_WORK === '1') throw err
    t.skip(`no user namespace (${err.message}): ${err.hint}`)
    return undefined
  }
}

/** An agent and a folder that go with the test. */
export interface Box {
  agent: Agent
  mode: IdCandidate['mode']
  /** Absolute; what mapped owners left in it is removed too. */
  dir: string
  /** Makes a folder below `dir`. */
  folder(name: string): string
}

/** A box in the given id mode; undefined, with the test skipped, where there are no user namespaces. */
export async function openBox(t: TestContext, candidate: IdCandidate): Promise<Box | undefined> {
  const agent = await startAgent(t, candidate)
  if (!agent) return undefined
  const dir = mkdtempSync(join(tmpdir(), 'tsbox-test-'))
  t.after(async () => {
    await agent.remove([dir])
    await agent.close()
  })
  const folder = (name: string) => {
    mkdirSync(join(dir, name), { recursive: true })
    return join(dir, name)
  }
  return { agent, mode: candidate.mode, dir, folder }
}

/** Where this machine's programs are: a root of links with these mounted in it runs them. */
const PROGRAM_DIRS = ['/usr', '/bin', '/sbin', '/lib', '/lib64', '/lib32', '/etc/alternatives']

/** A layer and mounts that make this machine's programs available in a container. */
export function hostPrograms(box: Box): { layer: string; mounts: ContainerMount[] } {
  const fresh = !existsSync(join(box.dir, 'programs'))
  const layer = box.folder('programs')
  const mounts: ContainerMount[] = []
  for (const dir of PROGRAM_DIRS) {
    if (!existsSync(dir)) continue
    if (lstatSync(dir).isSymbolicLink()) {
      if (fresh) symlinkSync(readlinkSync(dir), join(layer, dir))
    } else mounts.push({ op: 'bind', source: { path: dir }, target: dir, readonly: true })
  }
  if (!fresh) return { layer, mounts }
  mkdirSync(join(layer, 'etc'))
  mkdirSync(join(layer, 'tmp'))
  writeFileSync(join(layer, 'etc/passwd'), 'root:x:0:0::/root:/bin/sh\nuser:x:1000:1000::/:/bin/sh\n')
  return { layer, mounts }
}

/** A plan for a container with this machine's programs, an upper to change, and what `extra` says. */
export function hostPlan(box: Box, extra: Partial<ContainerSpec> = {}): StepPlan {
  const { layer, mounts } = hostPrograms(box)
  const stub = box.folder('stub')
  const spec: ContainerSpec = {
    upper: box.folder('upper/fs'),
    work: box.folder('upper/work'),
    stub,
    network: 'host',
    hostname: 'box',
    ...extra,
    layers: [layer, ...(extra.layers ?? [])],
    mounts: [...mounts, ...(extra.mounts ?? [])],
  }
  for (const e of stubEntries(spec.mounts)) {
    if (e.type === 'dir') mkdirSync(join(stub, e.path), { recursive: true })
    else writeFileSync(join(stub, e.path), '')
  }
  return containerPlan(spec)
}

/** A process with Docker's defaults. */
export function processOf(box: Box, args: readonly string[], fields: Partial<ProcessSpec> = {}): ProcessSpec {
  return {
    args,
    env: ['PATH=/usr/sbin:/usr/bin:/sbin:/bin'],
    cwd: '/',
    uid: 0,
    gid: 0,
    groups: [],
    capabilities: DEFAULT_CAPABILITIES,
    noNewPrivileges: false,
    emulate: box.mode === 'single',
    ...fields,
  }
}

/** Runs a process to its end in a container of `plan`. */
export async function runIn(
  box: Box,
  plan: StepPlan,
  args: readonly string[],
  fields: Partial<ProcessSpec> = {},
): Promise<{ exit: StepExit; stdout: string; stderr: string; files: ReadonlyMap<string, Uint8Array> }> {
  const text = { stdout: '', stderr: '' }
  const step = await box.agent.startStep(plan, {
    stdio: { mode: 'frames', stdin: false },
    onOutput: (stream, chunk) => {
      text[stream] += Buffer.from(chunk).toString('latin1')
    },
  })
  await step.exec(processOf(box, args, fields))
  return { exit: await step.exit, ...text, files: step.files }
}

/** The process and everything below it, now. */
export function processTree(pid: number): number[] {
  const out = [pid]
  for (let i = 0; i < out.length; i++) {
    try {
      for (const task of readdirSync(`/proc/${out[i]}/task`)) {
        const children = readFileSync(`/proc/${out[i]}/task/${task}/children`, 'utf8')
        for (const child of children.split(' ')) if (child) out.push(Number(child))
      }
    } catch {}
  }
  return out
}

/** Whether a process exists and is no zombie. */
export function isAlive(pid: number): boolean {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}

/** Waits, without a limit of its own, until something holds; the runner's time limit ends a test that waits in vain. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((done) => setTimeout(done, 10))
}
