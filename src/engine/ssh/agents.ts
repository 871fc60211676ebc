import type { SshAgent } from '../../build/seams.js'
import type { Lease } from '../../store/lease.js'
import type { SshGrant } from '../api.js'
import type { KeyAgent } from './key-agent.js'

/** The agents that a build was given, by id. One for keys is started with its first use. */
export class SshAgents {
  readonly #grants: Readonly<Record<string, SshGrant>>
  readonly #env: Readonly<Record<string, string | undefined>>
  readonly #lease: Lease
  readonly #started = new Map<string, Promise<KeyAgent>>()

  constructor(
    grants: Readonly<Record<string, SshGrant>>,
    env: Readonly<Record<string, string | undefined>>,
    lease: Lease,
  ) {
    this.#grants = grants
    this.#env = env
    this.#lease = lease
  }

  /** @returns undefined for an id that was not given @throws TsboxError E_SSH, E_NO_SSH_AGENT */
  async agent(id: string): Promise<SshAgent | undefined> {
    const grant = Object.hasOwn(this.#grants, id) ? this.#grants[id] : undefined
    if (!grant) return undefined
    if ('socket' in grant) return grant
    let started = this.#started.get(id)
    if (!started) {
      // Loaded here only: few builds have keys of their own.
      started = import('./key-agent.js').then((m) => m.startKeyAgent(grant.keys, this.#env, this.#lease))
      this.#started.set(id, started)
    }
    return { socket: (await started).socket, raw: false }
  }

  /** Ends the agents that were started. Idempotent. */
  async close(): Promise<void> {
    const started = [...this.#started.values()]
    this.#started.clear()
    for (const agent of await Promise.allSettled(started)) if (agent.status === 'fulfilled') agent.value.close()
  }
}
