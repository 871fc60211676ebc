import { TsboxError } from '../../../base/error.js'
import type { ContainerMount, ContainerSpec } from '../../../rootless/container-spec.js'
import type { IdMode, ProcessSpec } from '../../../rootless/plan.js'
import type { RunRequest } from '../../api.js'
import type { VolumeSpec } from '../volumes.js'
import { allDevices, deviceMounts } from './devices.js'
import { type ImageMount, parseMount } from './mount-option.js'
import { type Donor, type Namespaces, resolveNamespaces, sysctlPaths } from './namespaces.js'
import type { RunIsolation } from './request.js'
import { resolveSecurity } from './security.js'
import { parseTmpfs } from './tmpfs.js'

/** A {@link RunIsolation}, checked: parts of what a container is made of. */
export interface Isolation {
  process: Pick<ProcessSpec, 'capabilities' | 'noNewPrivileges' | 'seccomp'>
  container: Partial<ContainerSpec>
  /** Of tmpfs and devices. */
  mounts: ContainerMount[]
  /** Of `--mount`. */
  volumes: VolumeSpec[]
  images: ImageMount[]
  /** Those of another container. */
  join?: Namespaces['join']
  /** `--ipc` as it was given. */
  ipc?: string | undefined
  /** There is no /dev/shm. */
  noShm?: boolean | undefined
}

/**
 * Checks what was asked for and turns it into parts of a plan. Nothing is made.
 *
 * @param cwd folder for relative paths
 * @param find another container, by name or id
 * @throws TsboxError with exit code 125 and the option that can't be had
 */
export async function resolveIsolation(
  request: Pick<RunRequest, 'network' | 'hostname'>,
  asked: RunIsolation,
  cwd: string,
  mode: IdMode,
  find: (name: string) => Donor,
): Promise<Isolation> {
  const { capabilities, noNewPrivileges, seccomp, ...paths } = await resolveSecurity(asked, cwd)
  const namespaces = resolveNamespaces(asked, request.hostname, mode, find)
  const requests = (asked.mounts ?? []).map((m) => parseMount(m, cwd))
  const tmpfs = [
    ...(asked.tmpfs ?? []).map(parseTmpfs),
    ...requests.flatMap((r) => (r.type === 'tmpfs' ? [r.tmpfs] : [])),
  ]
  const devices = deviceMounts(asked.devices ?? [], mode)
  if (asked.privileged) devices.push(...allDevices(mode).filter((d) => !devices.some((o) => o.target === d.target)))
  const frozen = tmpfs.filter((t) => t.readonly).map((t) => t.op.target)
  return {
    process: { capabilities, noNewPrivileges, seccomp },
    container: {
      ...paths,
      readonlyPaths: [...paths.readonlyPaths, ...frozen],
      readonlyRoot: asked.readOnly,
      shared: namespaces.shared,
      sysctls: sysctlPaths(asked.sysctls ?? [], namespaces, request.network),
      oomScore: oomScore(asked.oomScoreAdj),
    },
    mounts: [...tmpfs.map((t) => t.op), ...devices],
    volumes: requests.flatMap((r) => (r.type === 'volume' ? [r.volume] : [])),
    images: requests.flatMap((r) => (r.type === 'image' ? [r.image] : [])),
    join: namespaces.join,
    ipc: asked.ipc,
    noShm: namespaces.noShm,
  }
}

function oomScore(score: number | undefined): number | undefined {
  if (score === undefined || (Number.isInteger(score) && score >= -1000 && score <= 1000)) return score
  throw new TsboxError('E_OOM_SCORE', `invalid --oom-score-adj: ${score} is not between -1000 and 1000`, {
    exitCode: 125,
  })
}
