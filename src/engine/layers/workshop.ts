import type { AgentApi } from '../../rootless/agent.js'
import type { IdEmulation, IdMode } from '../../rootless/plan.js'
import type { Lease } from '../../store/lease.js'
import type { Store } from '../../store/store.js'

/** What work on layers stands on: the store, this process's lease, and the helper where it is needed. */
export interface Workshop {
  store: Store
  lease: Lease
  /** The id mode in which this process makes and reads snapshots. */
  mode(): Promise<IdMode>
  /** The helper, started at the first call. @throws TsboxError where this machine has no namespaces to give */
  agent(): Promise<AgentApi>
  /** The helper in an id mode, for what was made in it. @throws TsboxError where this user can't have that mode (any more) */
  agentFor(mode: IdMode): Promise<AgentApi>
  /** How much of ids is emulated in `single` mode, where that is not all. */
  emulation?: IdEmulation | undefined
  /** Says what the user should know of. */
  warn(message: string): void
  /** Whole seconds since 1970. */
  now(): number
}

/** Runs `make` once per key, whoever asks while it runs gets the same promise; a failure is forgotten. */
export function once<T>(map: Map<string, Promise<T>>, key: string, make: () => Promise<T>): Promise<T> {
  const known = map.get(key)
  if (known) return known
  const made = make()
  map.set(key, made)
  made.catch(() => map.delete(key))
  return made
}
