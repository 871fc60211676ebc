import { rmSync, writeFileSync } from 'node:fs'
import { TsboxError } from '../../base/error.js'
import type { ContainerRecord } from '../../container/record.js'
import type { AgentApi } from '../../rootless/agent.js'
import { cpuMask } from '../../rootless/cgroup/limits.js'
import { type CgroupManager, findManager, type OpenCgroup } from '../../rootless/cgroup/manager.js'
import type { ContainerSpec } from '../../rootless/container-spec.js'
import type { Workshop } from '../layers/workshop.js'
import type { ContainerParts } from './container-parts.js'
import { runningInit } from './donor.js'
import { AMONG_OTHERS_FILE, CGROUP_FILE, PAUSED_FILE } from './paused.js'

/** Processes of tsbox that a user namespace of the container's counts with it: the helper, its workers, the init. */
const OWN_PROCESSES = 7

/** What placing containers stands on. */
export interface PlaceDeps {
  shop: Workshop
  env: Readonly<Record<string, string | undefined>>
  /** A helper in the user namespace of a container's first process. */
  joined(pid: number, mode: ContainerRecord['mode']): Promise<AgentApi>
}

/** Where a container is to be: what its plan and its start need for that. */
export interface Place {
  agent: AgentApi
  container: Partial<ContainerSpec>
  onHeld?: ((pid: number) => Promise<void>) | undefined
  /** Once it has started. */
  close(): void
  /** Where it could not. */
  abandon(): void
}

/**
 * Finds a container's cgroup, and the namespaces of another one.
 *
 * @throws TsboxError E_CGROUP where limits that it was made with can't be had any more, E_NAMESPACE where the other one
 *   does not run
 */
export async function placeContainer(deps: PlaceDeps, record: ContainerRecord, parts: ContainerParts): Promise<Place> {
  const { isolation, resources } = parts
  const join = isolation?.join
  const pid = join && runningInit(deps.shop.store, join.container)
  const folder = deps.shop.store.containers.dir(record.id)
  for (const file of [CGROUP_FILE, PAUSED_FILE, AMONG_OTHERS_FILE]) rmSync(`${folder}/${file}`, { force: true })
  const manager = await managerFor(deps, record, resources)
  let cgroup: OpenCgroup | undefined
  try {
    cgroup = await manager?.open(record.id, resources?.limits ?? {})
    const agent = pid === undefined ? await deps.shop.agent() : await deps.joined(pid, record.mode)
    const { processors, processes } = resources ?? {}
    const container: Partial<ContainerSpec> = {
      ...(pid === undefined ? {} : { join: { pid, namespaces: join!.namespaces } }),
      ...(processors ? { processors: cpuMask(processors) } : {}),
      ...(processes === undefined ? {} : { processes: processes + OWN_PROCESSES }),
      cgroup: cgroup?.leftover,
    }
    const enter = async (init: number) => {
      const placed = await cgroup!.enter(init)
      writeFileSync(`${folder}/${CGROUP_FILE}`, JSON.stringify(placed))
    }
    return {
      agent,
      container,
      onHeld: cgroup && enter,
      close: () => manager?.close(),
      abandon: () => cgroup?.abandon(),
    }
  } catch (err) {
    cgroup?.abandon()
    manager?.close()
    throw err
  }
}

async function managerFor(
  { env }: PlaceDeps,
  { name }: ContainerRecord,
  resources: ContainerParts['resources'],
): Promise<CgroupManager | undefined> {
  const limits = Object.keys(resources?.limits ?? {})
  const wanted = limits.length > 0 || resources?.parent !== undefined
  const manager = await findManager({ env, parent: resources?.parent, systemd: wanted })
  if (manager || !limits.length) return manager
  throw new TsboxError('E_CGROUP', `start container: nobody makes a cgroup for its limits any more: "${name}"`, {
    exitCode: 125,
    hint: 'start it in the session in which it was made, or make it again without limits',
  })
}
