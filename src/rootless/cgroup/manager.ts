import { TsboxError } from '../../base/error.js'
import { CgroupFs } from './cgroupfs.js'
import type { Controller, Limits } from './limits.js'
import { type CgroupSite, controllersAt, findSite, isDelegated, OWN_LEAF } from './site.js'
import { connectSystemd } from './systemd.js'

/** A container's cgroup, once its first process is in it: what a record keeps. */
export interface PlacedCgroup {
  /** Absolute directory. */
  dir: string
  /** The systemd unit that it is. */
  unit?: string | undefined
}

/** A cgroup that waits for its first process. */
export interface OpenCgroup {
  /** Directory that is to be removed when the container has ended; undefined where somebody else does that. */
  readonly leftover: string | undefined
  /** Moves a process into it. @param pid of this pid namespace. @throws TsboxError E_CGROUP */
  enter(pid: number): Promise<PlacedCgroup>
  /** Gives up before anybody is in it. */
  abandon(): void
}

/** Who makes cgroups for this user. */
export interface CgroupManager {
  readonly kind: 'systemd' | 'cgroupfs'
  /** Controllers that it can give limits with. */
  readonly controllers: ReadonlySet<Controller>
  /** @param id of the container. @throws TsboxError E_CGROUP */
  open(id: string, limits: Limits): Promise<OpenCgroup>
  /** Changes limits of a running container. @throws TsboxError E_CGROUP */
  update(cgroup: PlacedCgroup, limits: Limits): Promise<void>
  close(): void
}

/** How cgroups are looked for. */
export interface CgroupSearch {
  env: Readonly<Record<string, string | undefined>>
  /** `--cgroup-parent`: a directory of the hierarchy, or a slice of systemd. */
  parent?: string | undefined
  /** Whether systemd is asked: it costs some milliseconds. */
  systemd: boolean
}

/**
 * Finds who makes cgroups for this user: the directory that was asked for, systemd's user manager, or our own cgroup
 * where it was handed over.
 *
 * @returns undefined where nobody does
 * @throws TsboxError E_CGROUP where what was asked for can't be had
 */
export async function findManager(search: CgroupSearch): Promise<CgroupManager | undefined> {
  const { env, parent } = search
  const site = findSite()
  if (parent?.endsWith('.slice')) {
    const systemd = await connectSystemd(env, site, parent)
    if (systemd) return systemd
    throw new TsboxError('E_CGROUP', `use cgroup parent: no systemd manager of this user answers: "${parent}"`, {
      exitCode: 125,
      hint: 'log in through systemd, or give a directory that was handed over: --cgroup-parent /PATH',
    })
  }
  const asked = parent ?? env.TSBOX_CGROUP
  if (asked) return new CgroupFs(askedDirectory(asked, site))
  const systemd = search.systemd ? await connectSystemd(env, site) : undefined
  if (systemd) return systemd
  const own = ownDirectory(site)
  return own === undefined ? undefined : new CgroupFs(own)
}

/** A path of the file system, or, as docker has it, one below the hierarchy. */
function askedDirectory(asked: string, site: CgroupSite | undefined): string {
  const absolute = asked.replace(/\/+$/, '') || '/'
  const candidates = [absolute, ...(site ? [`${site.mount}${absolute}`] : [])]
  const dir = absolute.startsWith('/') ? candidates.find((c) => isDelegated(c)) : undefined
  if (dir !== undefined) return dir
  throw new TsboxError('E_CGROUP', `use cgroup parent: it is no cgroup that this user may write to: "${asked}"`, {
    exitCode: 125,
    hint: `have root hand it over: chown "$USER" DIR DIR/cgroup.procs DIR/cgroup.subtree_control (below ${site?.mount ?? '/sys/fs/cgroup'})`,
  })
}

function ownDirectory(site: CgroupSite | undefined): string | undefined {
  if (site?.own === undefined) return undefined
  const own = site.own.endsWith(`/${OWN_LEAF}`) ? site.own.slice(0, -OWN_LEAF.length - 1) : site.own
  return isDelegated(own) ? own : undefined
}

/**
 * What a person can do to get a controller.
 *
 * @param manager undefined where there is none
 */
export function hintFor(controller: Controller, manager: CgroupManager | undefined): string {
  const site = findSite()
  if (!site) return 'mount cgroup v2: boot with systemd.unified_cgroup_hierarchy=1'
  if (site.hybrid && !controllersAt(site.mount).has(controller))
    return `the ${controller} controller is with cgroup v1 here: boot with systemd.unified_cgroup_hierarchy=1`
  if (manager?.kind === 'systemd')
    return `have it delegated: sudo systemctl set-property "user@$(id -u).service" Delegate="${[...manager.controllers, controller].join(' ')}"`
  if (manager) return `enable it above: echo +${controller} | sudo tee cgroup.subtree_control in its parents`
  return 'log in through systemd (sudo loginctl enable-linger "$USER", XDG_RUNTIME_DIR=/run/user/$(id -u)), or name a cgroup that root handed over in TSBOX_CGROUP'
}
