import { readlinkSync } from 'node:fs'
import { TsboxError } from '../base/error.js'
import type { AgentApi } from '../rootless/agent.js'
import { HelperError } from '../rootless/error.js'
import { hostCandidate, type IdCandidate, idCandidates, mapOnDisk } from '../rootless/id-map.js'
import type { IdMode } from '../rootless/plan.js'
import type { Lease } from '../store/lease.js'
import type { Store } from '../store/store.js'
import { bootId } from '../util/identity.js'
import { helperPath } from './helper.js'
import { livingHelper } from './run/living-helper.js'

/** What is remembered of the mode that worked, so that a command that needs no helper needs no probe either. */
interface KnownMode {
  boot: string
  /** The candidates as they were, and where: another /etc/subuid or another container asks for another look. */
  candidates: string
  mode: IdMode
}

/** How ids are to be mapped: `host` makes no user namespace. */
export type UsernsChoice = 'auto' | 'host' | IdMode

/** @throws TsboxError E_USERNS_HOST for an ordinary user */
function hostOrRefuse(): IdCandidate {
  const candidate = hostCandidate()
  if (candidate) return candidate
  throw new TsboxError(
    'E_USERNS_HOST',
    'map ids: only root of the machine can do without a user namespace: --userns=host',
    {
      exitCode: 125,
      hint: 'leave out --userns: root of the container is you then',
    },
  )
}

/** Starts the helper when it is first needed, in the first id mode that this machine really grants. */
export class AgentProvider {
  readonly #store: Store
  readonly #lease: Lease
  readonly #env: Readonly<Record<string, string | undefined>>
  readonly #wanted: UsernsChoice
  #agent: Promise<AgentApi> | undefined
  #mode: Promise<IdMode> | undefined

  constructor(store: Store, lease: Lease, env: Readonly<Record<string, string | undefined>>, wanted: UsernsChoice) {
    this.#store = store
    this.#lease = lease
    this.#env = env
    this.#wanted = wanted
  }

  /** The id mode; starts the helper only where nothing is known of this machine yet. */
  mode(): Promise<IdMode> {
    this.#mode ??= this.#findMode()
    return this.#mode
  }

  /**
   * @param lanes requests that may be under way at once, where this is the first call: each costs time at the start
   * @throws TsboxError E_NO_USERNS, E_NO_HELPER
   */
  agent(lanes?: number): Promise<AgentApi> {
    this.#agent ??= this.#start(lanes)
    return this.#agent
  }

  /**
   * Why this machine has no namespaces to run anything in; undefined where it has. What worked since the last boot is
   * not tried again.
   */
  async missing(): Promise<TsboxError | undefined> {
    try {
      const known = this.#store.place.readJson<KnownMode>(this.#modeFile())
      if (known?.boot === bootId() && known.candidates === placed(this.#candidates())) return undefined
      await this.agent()
      return undefined
    } catch (err) {
      if (!(err instanceof TsboxError)) throw err
      return err
    }
  }

  async close(): Promise<void> {
    const agent = this.#agent
    this.#agent = undefined
    if (agent) await (await agent.catch(() => undefined))?.close()
  }

  async #findMode(): Promise<IdMode> {
    const candidates = this.#candidates()
    if (candidates.length === 1) return candidates[0]!.mode
    const known = this.#store.place.readJson<KnownMode>(this.#modeFile())
    if (known?.boot === bootId() && known.candidates === placed(candidates)) return known.mode
    return (await this.agent()).mode
  }

  #candidates(): IdCandidate[] {
    if (this.#wanted === 'host') return [hostOrRefuse()]
    const all = idCandidates(this.#env)
    const wanted = this.#wanted === 'auto' ? all : all.filter((c) => c.mode === this.#wanted)
    if (wanted.length) return wanted
    throw new TsboxError(
      'E_NO_SUBID',
      `map ids: this user has no subordinate ids, or newuidmap is missing, and --userns=subid asks for them`,
      {
        exitCode: 125,
        hint: 'sudo apt-get install uidmap && sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 "$USER", or leave out --userns',
      },
    )
  }

  async #start(lanes: number | undefined): Promise<AgentApi> {
    const candidates = this.#candidates()
    // Loads child_process, which a cached build does without.
    const { Agent } = await import('../rootless/agent.js')
    let failure: unknown
    for (const { mode, maps } of candidates) {
      try {
        const living = livingHelper(this.#store)
        const agent = await Agent.start({ helperPath: helperPath(this.#env), mode, maps, lanes, living })
        this.#store.snapshots.checkMap(mode, mapOnDisk(maps), this.#lease)
        this.#remember(candidates, mode)
        return agent
      } catch (err) {
        // A helper that was killed says nothing of what this machine grants: no other mode is to be remembered for it.
        if (!(err instanceof HelperError) || err.wasKilled) throw err
        failure = err
      }
    }
    throw await this.#explained(failure)
  }

  /** Says who refuses the namespace, where it is that. */
  async #explained(failure: unknown): Promise<unknown> {
    if (!(failure instanceof HelperError)) return failure
    const { explainRefusal, refusalError } = await import('../rootless/refusal.js')
    const { surroundings } = await import('../rootless/surroundings.js')
    const refusal = explainRefusal(failure, surroundings(this.#env), helperPath(this.#env))
    return refusal ? refusalError(failure, refusal) : failure
  }

  #remember(candidates: readonly IdCandidate[], mode: IdMode): void {
    const known: KnownMode = { boot: bootId(), candidates: placed(candidates), mode }
    const file = this.#modeFile()
    if (JSON.stringify(this.#store.place.readJson(file)) === JSON.stringify(known)) return
    this.#store.place.write(file, JSON.stringify(known), this.#lease.tempPath('mode'))
  }

  #modeFile(): string {
    return this.#store.place.path(this.#wanted === 'auto' ? 'mode.json' : `mode-${this.#wanted}.json`)
  }
}

/** The same home may be seen from containers that are granted less. */
function placed(candidates: readonly IdCandidate[]): string {
  return `${JSON.stringify(candidates)} ${userNamespace()}`
}

function userNamespace(): string {
  try {
    return readlinkSync('/proc/self/ns/user')
  } catch {
    return ''
  }
}
