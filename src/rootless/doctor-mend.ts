import type { IdUser } from './id-map.js'
import { readText } from './surroundings.js'

/** Families of distributions, their installers, and what the packages are called there. */
const FAMILIES: readonly { ids: RegExp; install: string; packages: Record<string, string> }[] = [
  { ids: /debian|ubuntu/, install: 'sudo apt-get install', packages: { newuidmap: 'uidmap', pasta: 'passt' } },
  { ids: /fedora|rhel|centos/, install: 'sudo dnf install', packages: { newuidmap: 'shadow-utils', pasta: 'passt' } },
  { ids: /suse/, install: 'sudo zypper install', packages: { newuidmap: 'shadow', pasta: 'passt' } },
  { ids: /arch/, install: 'sudo pacman -S', packages: { newuidmap: 'shadow', pasta: 'passt' } },
  { ids: /alpine/, install: 'sudo apk add', packages: { newuidmap: 'shadow-subids', pasta: 'passt' } },
]

/** What useradd hands out. @see login.defs(5), SUB_UID_MIN and SUB_UID_COUNT */
const FIRST_SUBID = 100000
const SUBIDS = 65536

/** The command that installs a program here. @see os-release(5) */
export function packageHint(program: 'newuidmap' | 'pasta', osRelease = readText('/etc/os-release')): string {
  const ids = osRelease.match(/^(ID|ID_LIKE)=.*$/gm)?.join(' ') ?? ''
  const family = FAMILIES.find((f) => f.ids.test(ids)) ?? FAMILIES[0]!
  return `${family.install} ${family.packages[program]}`
}

/** What to do where newuidmap is there and may not map: most of it is outside of a container's reach. */
export function refusedMapHint(status = readText('/proc/self/status')): string {
  if (/^NoNewPrivs:\s*1/m.test(status))
    return 'no_new_privs is set, which takes the powers of set-user-ID programs: start tsbox outside of that sandbox (docker: without --security-opt no-new-privileges)'
  return `check the ranges of this user in /etc/subuid and /etc/subgid, and give newuidmap its powers back: ${packageHint('newuidmap').replace(' install ', ' install --reinstall ')}`
}

/** The command that gives a user 65536 subordinate ids that are nobody's yet. @see usermod(8), subuid(5) */
export function subidHint(user: IdUser, taken = `${readText('/etc/subuid')}\n${readText('/etc/subgid')}`): string {
  const start = taken.split('\n').reduce((free, line) => {
    const [, from, count] = line.split(':').map(Number)
    return from && count ? Math.max(free, from + count) : free
  }, FIRST_SUBID)
  const range = `${start}-${start + SUBIDS - 1}`
  return `sudo usermod --add-subuids ${range} --add-subgids ${range} ${user.name ?? user.uid}`
}
