import { accessSync, closeSync, constants, mkdirSync, openSync, rmdirSync } from 'node:fs'
import { release } from 'node:os'
import type { DoctorFact } from './doctor-fact.js'
import { doctorFact } from './doctor-messages.js'
import { pastaFact } from './doctor-pasta.js'
import { currentUser, findProgram } from './id-map.js'
import { logoutFact } from './logout.js'
import { readText, type Surroundings } from './surroundings.js'

/** What the probes say of kernels that lack something for which there is another way. */
const OLDER: readonly { probe: string; name: string }[] = [
  { probe: 'lowerdir', name: 'lowerdir+ of overlayfs' },
  { probe: 'mount-setattr', name: 'mount_setattr' },
  { probe: 'memory-xattr', name: 'extended attributes on tmpfs' },
]

/** Facts about what is around tsbox, after those about namespaces. @param results of the probes; empty without any */
export async function hostFacts(
  results: ReadonlyMap<string, string>,
  works: boolean,
  around: Surroundings,
  env: Readonly<Record<string, string | undefined>>,
): Promise<DoctorFact[]> {
  return [
    kernelFact(results),
    around.container ? doctorFact('container.found', { kind: around.container }) : doctorFact('container.none'),
    appArmorFact(works, around),
    doctorFact(around.seccomp ? 'seccomp.filter' : 'seccomp.ok'),
    accountFact(),
    env.XDG_RUNTIME_DIR ? doctorFact('runtime-dir.ok', { path: env.XDG_RUNTIME_DIR }) : doctorFact('runtime-dir.none'),
    await pastaFact(findProgram('pasta', env.PATH)),
    deviceFact('tun', '/dev/net/tun'),
    deviceFact('fuse', '/dev/fuse'),
    cgroupFact(),
    logoutFact(),
  ]
}

function kernelFact(results: ReadonlyMap<string, string>): DoctorFact {
  const missing = OLDER.filter(({ probe }) => results.get(probe)).map(
    ({ probe, name }) => `${name} (${results.get(probe)})`,
  )
  const values = { release: `Linux ${release()}`, missing: missing.join(', ') }
  return doctorFact(missing.length ? 'kernel.older' : 'kernel.ok', values)
}

function appArmorFact(works: boolean, around: Surroundings): DoctorFact {
  const restricted = around.sysctl('kernel.apparmor_restrict_unprivileged_userns') === '1'
  // The line about user namespaces says what mends it.
  if (restricted) return doctorFact(works ? 'apparmor.not-us' : 'apparmor.restricts')
  if (around.appArmorProfile) return doctorFact('apparmor.profile', { profile: around.appArmorProfile })
  return doctorFact('apparmor.ok')
}

function accountFact(): DoctorFact {
  const { uid, name } = currentUser()
  return name === undefined
    ? doctorFact('account.none', { uid: String(uid) })
    : doctorFact('account.ok', { uid: String(uid), name })
}

function deviceFact(id: 'tun' | 'fuse', path: string): DoctorFact {
  try {
    closeSync(openSync(path, 'r+'))
    return doctorFact(`${id}.ok`)
  } catch (err) {
    return doctorFact(`${id}.none`, { errno: (err as NodeJS.ErrnoException).code ?? '' })
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
  const path = ownCgroup()
  if (!path) return doctorFact('cgroup.v1')
  const controllers = readText(`${path}/cgroup.controllers`).trim()
  try {
    accessSync(`${path}/cgroup.procs`, constants.W_OK)
    const child = `${path}/tsbox-doctor-${process.pid}`
    mkdirSync(child)
    rmdirSync(child)
  } catch (err) {
    const errno = (err as NodeJS.ErrnoException).code ?? ''
    // Something else is mounted over it.
    return errno === 'ENOENT' ? doctorFact('cgroup.v1') : doctorFact('cgroup.closed', { path, errno })
  }
  const found = { controllers: controllers || 'none' }
  return doctorFact(/\bmemory\b/.test(controllers) ? 'cgroup.ok' : 'cgroup.controllers', found)
}
