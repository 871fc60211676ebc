import { statfsSync } from 'node:fs'
import { join } from 'node:path'
import { Agent, type ProbeResult } from './agent.js'
import type { DoctorFact } from './doctor-fact.js'
import { hostFacts } from './doctor-host.js'
import { packageHint, refusedMapHint, subidHint } from './doctor-mend.js'
import { doctorFact } from './doctor-messages.js'
import { HelperError } from './error.js'
import { currentUser, findProgram, type IdCandidate, idCandidates, usableIds } from './id-map.js'
import { explainRefusal } from './refusal.js'
import { type Surroundings, surroundings } from './surroundings.js'

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
  /** Folder of another disk where layers could be stacked; undefined where that was not looked for, or is not there. */
  place?: string | undefined
  failure?: HelperError | undefined
}

/** Tries everything that steps can use on this machine. Takes tens of milliseconds; leaves nothing behind. */
export async function probeMachine(options: DoctorOptions): Promise<DoctorFindings> {
  const around = surroundings(options.env)
  const candidates = idCandidates(options.env)
  const subid = candidates.find((c) => c.mode === 'subid')
  const single = await attempt(options, { mode: 'single', maps: { method: 'single' } })
  const ranged = subid && (await attempt(options, subid))
  const best = ranged && !ranged.failure ? ranged : single
  const userns = best.failure ? 'none' : best === ranged ? 'subid' : 'single'
  const facts = [
    namespaceFact(single, around, options.helperPath),
    subidFact(options, subid, ranged),
    ...(best.failure ? [] : insideFacts(best, userns)),
    ...(await hostFacts(best.results, !best.failure, around, options.env)),
  ]
  return { facts, userns }
}

async function attempt(options: DoctorOptions, candidate: IdCandidate): Promise<Trial> {
  let agent: Agent | undefined
  try {
    agent = await Agent.start({ helperPath: options.helperPath, ...candidate, lanes: 1 })
    const results = resultsOf(await agent.probe(options.dir))
    const refused = results.get('overlay') || results.get('xattr')
    return { results, place: refused ? await otherPlace(agent, options) : undefined }
  } catch (err) {
    if (!(err instanceof HelperError)) throw err
    return { results: new Map(), failure: err }
  } finally {
    await agent?.close()
  }
}

function resultsOf(list: readonly ProbeResult[]): ReadonlyMap<string, string> {
  return new Map(list.map((r) => [r.stage, r.errno]))
}

/** A folder on another file system that can do what the store's can't, found by trying. */
async function otherPlace(agent: Agent, { dir, env }: DoctorOptions): Promise<string | undefined> {
  const tried = new Set([deviceOf(dir)])
  for (const place of [env.HOME, '/var/tmp', env.TMPDIR, '/tmp', env.XDG_RUNTIME_DIR, '/dev/shm']) {
    const device = place?.startsWith('/') ? deviceOf(place) : undefined
    if (!place || !device || tried.has(device)) continue
    tried.add(device)
    const results = await agent.probe(place).then(resultsOf, () => undefined)
    if (results && !results.get('overlay') && !results.get('xattr')) return join(place, 'tsbox')
  }
  return undefined
}

function deviceOf(path: string): string | undefined {
  try {
    const { type, files, blocks } = statfsSync(path)
    return `${type} ${files} ${blocks}`
  } catch {
    return undefined
  }
}

function namespaceFact({ failure, results }: Trial, around: Surroundings, helperPath: string): DoctorFact {
  if (failure) {
    const refusal = explainRefusal(failure, around, helperPath)
    if (!refusal) return doctorFact('userns.failed', { message: failure.message }, failure.hint)
    return doctorFact('userns.refused', { reason: refusal.reason, errno: failure.errno }, refusal.mend)
  }
  const errno = results.get('tmpfs')
  return errno ? doctorFact('userns.powerless', { errno }) : doctorFact('userns.ok')
}

function subidFact(options: DoctorOptions, candidate: IdCandidate | undefined, trial: Trial | undefined): DoctorFact {
  const works = trial && !trial.failure && !trial.results.get('chown')
  if (candidate?.maps.method === 'direct' && works) return doctorFact('subid.root')
  const maps = candidate?.maps
  const count = maps && 'uids' in maps ? maps.uids.reduce((n, e) => n + e.count, 0) : 0
  if (works) return doctorFact('subid.ok', { count: String(count) })
  if (trial?.failure) return doctorFact('subid.refused', { why: trial.failure.message }, refusedMapHint())
  const user = currentUser()
  if (user.uid === 0) return doctorFact('subid.few', { count: String(usableIds()) })
  if (!findProgram('newuidmap', options.env.PATH)) return doctorFact('subid.program', {}, packageHint('newuidmap'))
  return doctorFact('subid.range', {}, subidHint(user))
}

function insideFacts({ results, place = '/path/on/disk' }: Trial, userns: 'subid' | 'single' | 'none'): DoctorFact[] {
  const errno = (probe: string) => results.get(probe) || ''
  // A descriptor of the payload has to be fetched, too.
  const notify = errno('seccomp-notify') || errno('pidfd')
  return [
    errno('overlay') ? doctorFact('overlay.copied', { errno: errno('overlay'), place }) : doctorFact('overlay.ok'),
    errno('xattr') ? doctorFact('xattr.missing', { errno: errno('xattr'), place }) : doctorFact('xattr.ok'),
    errno('pids')
      ? doctorFact(errno('fence') ? 'pids.shared' : 'pids.fenced', { errno: errno('pids') })
      : doctorFact('pids.ok'),
    errno('proc') ? doctorFact('proc.bound', { errno: errno('proc') }) : doctorFact('proc.ok'),
    errno('network') ? doctorFact('network.missing', { errno: errno('network') }) : doctorFact('network.ok'),
    errno('hostname') ? doctorFact('hostname.kept', { errno: errno('hostname') }) : doctorFact('hostname.ok'),
    notify
      ? doctorFact(userns === 'single' ? 'seccomp-notify.missing' : 'seccomp-notify.unneeded', { errno: notify })
      : doctorFact('seccomp-notify.ok'),
  ]
}
