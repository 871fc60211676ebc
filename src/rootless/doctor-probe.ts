import { accessSync, closeSync, constants, mkdirSync, openSync, readFileSync, rmdirSync } from 'node:fs'
import { Agent, type ProbeResult } from './agent.js'
import type { DoctorFact } from './doctor-fact.js'
import { packageHint, subidHint } from './doctor-mend.js'
import { pastaFact } from './doctor-pasta.js'
import { HelperError } from './error.js'
import { currentUser, findProgram, type IdCandidate, idCandidates } from './id-map.js'
import { logoutFact } from './logout.js'

export interface DoctorOptions {
  helperPath: string
  /** A folder of the store, existing and writable: overlays are tried there. */
  dir: string
  env: Readonly<Record<string, string | undefined>>
}

export interface DoctorFindings {
  facts: DoctorFact[]
  /** The id mode that steps get; `none` where there are no user namespaces. */
  userns: 'subid' | 'single' | 'none'
}

/** What one id mode gave: the probes inside, or why it could not be entered. */
interface Trial {
  results: ReadonlyMap<string, string>
  failure?: HelperError | undefined
}

/** Tries everything that steps can use on this machine. Takes tens of milliseconds; leaves nothing behind. */
export async function probeMachine(options: DoctorOptions): Promise<DoctorFindings> {
  const candidates = idCandidates(options.env)
  const subid = candidates.find((c) => c.mode === 'subid')
  const single = await attempt(options, { mode: 'single', maps: { method: 'single' } })
  const ranged = subid && (await attempt(options, subid))
  const best = ranged && !ranged.failure ? ranged : single
  const userns = best.failure ? 'none' : best === ranged ? 'subid' : 'single'
  const facts = [
    namespaceFact(single),
    subidFact(options, subid, ranged),
    ...(best.failure ? [] : insideFacts(best, userns)),
    appArmorFact(best),
    seccompFact(),
    await pastaFact(findProgram('pasta', options.env.PATH)),
    deviceFact('tun', '/dev/net/tun', 'pasta can carry UDP and ICMP of containers'),
    deviceFact('fuse', '/dev/fuse', 'nothing in tsbox needs it'),
    cgroupFact(),
    logoutFact(),
  ]
  return { facts, userns }
}

async function attempt(options: DoctorOptions, candidate: IdCandidate): Promise<Trial> {
  let agent: Agent | undefined
  try {
    agent = await Agent.start({ helperPath: options.helperPath, ...candidate, lanes: 1 })
    const results = await agent.probe(options.dir)
    return { results: new Map(results.map((r: ProbeResult) => [r.stage, r.errno])) }
  } catch (err) {
    if (!(err instanceof HelperError)) throw err
    return { results: new Map(), failure: err }
  } finally {
    await agent?.close()
  }
}

const NO_STEPS = 'RUN steps work only as WebAssembly, and tsbox run not at all'

function namespaceFact({ failure, results }: Trial): DoctorFact {
  const fact = { id: 'userns', title: 'User namespaces' }
  if (failure) return { ...fact, state: 'missing', detail: failure.message, cost: NO_STEPS, mend: failure.hint }
  const mounts = results.get('tmpfs')
  if (mounts) return { ...fact, state: 'missing', detail: `can be made, but not mounted in: ${mounts}`, cost: NO_STEPS }
  return { ...fact, state: 'ok', detail: 'can be made and mounted in' }
}

function subidFact(options: DoctorOptions, candidate: IdCandidate | undefined, trial: Trial | undefined): DoctorFact {
  const fact = { id: 'subid', title: 'Subordinate ids (newuidmap, /etc/subuid)' }
  if (candidate?.maps.method === 'direct' && trial && !trial.failure)
    return { ...fact, state: 'ok', detail: 'not needed: root maps all ids itself' }
  const count =
    candidate && candidate.maps.method !== 'single' ? candidate.maps.uids.reduce((n, e) => n + e.count, 0) : 0
  if (trial && !trial.failure && !trial.results.get('chown'))
    return { ...fact, state: 'ok', detail: `${count} ids mapped` }
  const program = findProgram('newuidmap', options.env.PATH)
  const why = trial?.failure?.message ?? (program ? 'no range for this user' : 'newuidmap is not installed')
  return {
    ...fact,
    state: 'missing',
    detail: why,
    cost: 'owners are emulated: all works, but calls about files and ids take longer (apt-get install about a fifth)',
    mend: program ? subidHint(currentUser()) : packageHint('newuidmap'),
  }
}

/** What each probe inside the namespaces is about. */
const INSIDE: readonly { probe: string; title: string; ok: string; cost: string; mend?: string }[] = [
  {
    probe: 'overlay',
    title: 'Overlay file systems in the store',
    ok: 'layers are stacked, not copied',
    cost: NO_STEPS,
    mend: 'use Linux 5.11 or newer, and a store on a local disk (ext4, xfs, btrfs): TSBOX_ROOT=/path/on/disk',
  },
  {
    probe: 'xattr',
    title: 'Extended attributes in the store',
    ok: 'owners and opaque directories can be recorded',
    cost: 'layers that replace directories, and recorded owners, fail',
    mend: 'use a store on a disk with extended attributes: TSBOX_ROOT=/path/on/disk',
  },
  {
    probe: 'proc',
    title: 'A /proc of its own',
    ok: 'steps see their own processes only',
    cost: 'steps see the /proc of this machine: ps and /proc/self are wrong in them',
    mend: 'if this is a container, start it with --security-opt systempaths=unconfined',
  },
  {
    probe: 'network',
    title: 'Network namespaces',
    ok: '--network none works',
    cost: 'only the network of this machine can be used',
    mend: 'sudo sysctl -w user.max_net_namespaces=15000',
  },
  {
    probe: 'seccomp-notify',
    title: 'Seccomp notification',
    ok: 'ids can be emulated',
    cost: 'without subordinate ids, chown and su fail in steps',
    mend: 'use Linux 5.9 or newer, outside of sandboxes that deny seccomp',
  },
]

function insideFacts(trial: Trial, userns: 'subid' | 'single' | 'none'): DoctorFact[] {
  return INSIDE.map(({ probe, title, ok, cost, mend }) => {
    // A descriptor of the payload has to be fetched, too.
    const errno = trial.results.get(probe) || (probe === 'seccomp-notify' ? trial.results.get('pidfd') : '') || ''
    const fact = { id: probe, title }
    if (!errno) return { ...fact, state: 'ok', detail: ok }
    const needed = probe !== 'seccomp-notify' || userns === 'single'
    return { ...fact, state: needed ? 'missing' : 'info', detail: errno, cost, mend }
  })
}

function appArmorFact(best: Trial): DoctorFact {
  const key = 'kernel.apparmor_restrict_unprivileged_userns'
  const restricted = readText(`/proc/sys/${key.replaceAll('.', '/')}`).trim() === '1'
  const fact = { id: 'apparmor', title: 'AppArmor' }
  if (!restricted) return { ...fact, state: 'ok', detail: 'does not restrict user namespaces' }
  if (!best.failure) return { ...fact, state: 'ok', detail: 'restricts user namespaces, but not those of tsbox' }
  const mend = `echo ${key}=0 | sudo tee /etc/sysctl.d/60-tsbox.conf && sudo sysctl --system`
  return { ...fact, state: 'missing', detail: 'takes the powers of user namespaces away', cost: NO_STEPS, mend }
}

function seccompFact(): DoctorFact {
  const filters = /^Seccomp:\s*2/m.test(readText('/proc/self/status'))
  const fact = { id: 'seccomp', title: 'Seccomp' }
  if (!filters) return { ...fact, state: 'ok', detail: 'no filter around tsbox' }
  return { ...fact, state: 'info', detail: 'a filter is around tsbox: what it denies shows above' }
}

function deviceFact(id: string, path: string, use: string): DoctorFact {
  const fact = { id, title: path }
  try {
    closeSync(openSync(path, 'r+'))
    return { ...fact, state: 'ok', detail: `can be opened; ${use}` }
  } catch (err) {
    return { ...fact, state: 'info', detail: `${(err as NodeJS.ErrnoException).code}; not needed` }
  }
}

/** Directory of our own cgroup in the unified hierarchy. @see cgroups(7) */
function ownCgroup(): string | undefined {
  const mount = /^\S+ \S+ \S+ (\S+) (\S+) .* - cgroup2 /m.exec(readText('/proc/self/mountinfo'))
  const path = /^0::(.*)$/m.exec(readText('/proc/self/cgroup'))?.[1]
  if (!mount || path === undefined) return undefined
  const [, root, place] = mount
  return `${place}${path.startsWith(root!) ? path.slice(root === '/' ? 0 : root!.length) : path}`.replace(/\/$/, '')
}

function cgroupFact(): DoctorFact {
  const fact = { id: 'cgroup', title: 'Delegated cgroup (v2)' }
  const cost = 'no limits of memory and cpu time for containers'
  const mend = 'start tsbox with: systemd-run --user --scope -p Delegate=yes tsbox …'
  const dir = ownCgroup()
  if (!dir) return { ...fact, state: 'missing', detail: 'no cgroup v2 hierarchy', cost }
  const controllers = readText(`${dir}/cgroup.controllers`).trim()
  try {
    accessSync(`${dir}/cgroup.procs`, constants.W_OK)
    const child = `${dir}/tsbox-doctor-${process.pid}`
    mkdirSync(child)
    rmdirSync(child)
  } catch (err) {
    return { ...fact, state: 'missing', detail: `${dir}: ${(err as NodeJS.ErrnoException).code}`, cost, mend }
  }
  if (!/\bmemory\b/.test(controllers))
    return { ...fact, state: 'missing', detail: `controllers: ${controllers || 'none'}`, cost, mend }
  return { ...fact, state: 'ok', detail: `controllers: ${controllers}` }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
