import type { DoctorFact } from './doctor-fact.js'

/** What the doctor may say about one thing. `NAME` in capitals and braces is filled in. */
export interface DoctorMessage {
  state: DoctorFact['state']
  says: string
  /** What it costs; left out where it costs nothing. */
  cost?: string | undefined
  /** The command or setting that mends it. */
  mend?: string | undefined
}

const NO_STEPS = 'RUN steps work only as shell commands of tsbox and as WebAssembly, and tsbox run not at all'
const EMULATED =
  'owners are emulated: all works, but calls about files and ids take longer (apt-get install about a fifth)'

/** Titles of the lines, in their order. */
export const DOCTOR_TITLES = {
  store: 'Store',
  helper: 'Helper',
  userns: 'User namespaces',
  subid: 'Subordinate ids (newuidmap, /etc/subuid)',
  overlay: 'Overlay file systems in the store',
  xattr: 'Extended attributes in the store',
  pids: 'PID namespaces',
  proc: 'A /proc of its own',
  network: 'Network namespaces',
  'seccomp-notify': 'Seccomp notification',
  hostname: 'Host names',
  kernel: 'Kernel',
  container: 'Container',
  apparmor: 'AppArmor',
  seccomp: 'Seccomp',
  account: 'Account',
  'runtime-dir': 'XDG_RUNTIME_DIR',
  pasta: 'pasta',
  tun: '/dev/net/tun',
  fuse: '/dev/fuse',
  cgroup: 'Delegated cgroup (v2)',
  logout: 'Containers in the background after logout',
} as const

/** Which line a message is of: the part of its key before the dot. */
export type DoctorLine = keyof typeof DOCTOR_TITLES

/** Everything that `tsbox doctor` says. docs/doctor.md has each, with what to do about it. */
export const DOCTOR_MESSAGES = {
  'store.ok': { state: 'ok', says: '{PATH}' },
  'store.instead': {
    state: 'info',
    says: '{PATH}, because {WHY}',
    cost: 'what cleans folders of temporary files may take images away',
    mend: 'name a folder that stays: TSBOX_ROOT=/path/of/yours',
  },
  'store.memory': {
    state: 'info',
    says: '{PATH}, in memory (tmpfs)',
    cost: 'images take memory, and are gone after a restart',
    mend: 'name a folder on a disk: TSBOX_ROOT=/path/on/disk',
  },
  'store.failed': {
    state: 'missing',
    says: '{MESSAGE}',
    cost: 'nothing can be built, loaded or run',
    mend: 'name a folder that you may write to: --root or TSBOX_ROOT',
  },
  'helper.missing': { state: 'missing', says: '{MESSAGE}', cost: 'only WebAssembly steps can run' },

  'userns.ok': { state: 'ok', says: 'can be made and mounted in' },
  'userns.refused': { state: 'missing', says: '{REASON}: {ERRNO}', cost: NO_STEPS },
  'userns.failed': { state: 'missing', says: '{MESSAGE}', cost: NO_STEPS },
  'userns.powerless': {
    state: 'missing',
    says: 'can be made, but not mounted in: {ERRNO}',
    cost: NO_STEPS,
    mend: 'start tsbox outside of the sandbox that refuses mount',
  },

  'subid.ok': { state: 'ok', says: '{COUNT} ids mapped' },
  'subid.root': { state: 'ok', says: 'not needed: root maps all ids itself' },
  'subid.program': { state: 'missing', says: 'newuidmap is not installed', cost: EMULATED },
  'subid.range': { state: 'missing', says: 'no range for this user', cost: EMULATED },
  'subid.few': {
    state: 'missing',
    says: 'only {COUNT} of the ids of this namespace can be used',
    cost: EMULATED,
    mend: 'start the container with at least 65536 ids: podman run --userns=auto:size=65536, or subordinate ids for its user',
  },
  'subid.refused': {
    state: 'missing',
    says: 'newuidmap refuses: {WHY}',
    cost: EMULATED,
  },

  'overlay.ok': { state: 'ok', says: 'layers are stacked, not copied' },
  'overlay.copied': {
    state: 'missing',
    says: 'refused ({ERRNO}): layers are copied',
    cost: 'each step and container begins with a copy of its image; blocks are shared where the disk has reflinks',
    mend: 'use Linux 5.11 or newer, and a store on a disk (ext4, xfs, btrfs): TSBOX_ROOT={PLACE}',
  },
  'xattr.ok': { state: 'ok', says: 'owners and opaque directories can be recorded' },
  'xattr.missing': {
    state: 'missing',
    says: '{ERRNO}',
    cost: 'layers that replace directories, and recorded owners, fail',
    mend: 'use a store on a disk with extended attributes: TSBOX_ROOT={PLACE}',
  },

  'pids.ok': { state: 'ok', says: 'steps have process numbers of their own' },
  'pids.fenced': {
    state: 'missing',
    says: 'refused ({ERRNO}): steps share those around tsbox',
    cost: 'steps see other processes of this user, but can not signal them (Landlock)',
    mend: 'sudo sysctl -w user.max_pid_namespaces=15000, or a seccomp profile that allows them',
  },
  'pids.shared': {
    state: 'missing',
    says: 'refused ({ERRNO}): steps share those around tsbox, unfenced',
    cost: 'steps see other processes of this user, and can end them: build only what you trust',
    mend: 'sudo sysctl -w user.max_pid_namespaces=15000, a seccomp profile that allows them, or Linux 6.12',
  },
  'proc.ok': { state: 'ok', says: 'steps see their own processes only' },
  'proc.bound': {
    state: 'missing',
    says: 'refused ({ERRNO}): steps get the one around tsbox',
    cost: 'ps in a step shows the processes around tsbox, with their numbers',
    mend: 'if this is a container, start it with --security-opt systempaths=unconfined (podman: unmask=ALL)',
  },
  'network.ok': { state: 'ok', says: '--network none works' },
  'network.missing': {
    state: 'missing',
    says: '{ERRNO}',
    cost: 'only the network of this machine can be used',
    mend: 'sudo sysctl -w user.max_net_namespaces=15000',
  },
  'seccomp-notify.ok': { state: 'ok', says: 'ids can be emulated' },
  'seccomp-notify.unneeded': { state: 'info', says: '{ERRNO}; not needed with subordinate ids' },
  'seccomp-notify.missing': {
    state: 'missing',
    says: '{ERRNO}: ids are only pretended',
    cost: "without subordinate ids, chown has no effect: every file of a layer is root's",
    mend: 'use Linux 5.9 or newer, outside of sandboxes that listen to system calls (tsbox in a step of tsbox)',
  },
  'hostname.ok': { state: 'ok', says: 'steps have names of their own' },
  'hostname.kept': {
    state: 'missing',
    says: 'refused ({ERRNO}): steps keep the one around tsbox',
    cost: 'uname -n in a step tells the name around tsbox; /etc/hostname is right',
    mend: 'a seccomp profile that allows sethostname, or --security-opt seccomp=unconfined',
  },
  'kernel.ok': { state: 'ok', says: '{RELEASE}' },
  'kernel.older': {
    state: 'info',
    says: '{RELEASE}; without {MISSING}: older ways are used',
    cost: 'nothing that is seen, but some time for each mount',
  },

  'container.none': { state: 'ok', says: 'none around tsbox' },
  'container.found': { state: 'info', says: 'tsbox is inside of one ({KIND})' },
  'apparmor.ok': { state: 'ok', says: 'does not restrict user namespaces' },
  'apparmor.not-us': { state: 'ok', says: 'restricts user namespaces, but not those of tsbox' },
  'apparmor.profile': { state: 'info', says: 'holds tsbox to the profile "{PROFILE}"' },
  'apparmor.restricts': {
    state: 'missing',
    says: 'takes the powers of user namespaces away',
    cost: NO_STEPS,
  },
  'seccomp.ok': { state: 'ok', says: 'no filter around tsbox' },
  'seccomp.filter': { state: 'info', says: 'a filter is around tsbox: what it denies shows above' },
  'account.ok': { state: 'ok', says: '{NAME} ({UID})' },
  'account.none': { state: 'info', says: 'uid {UID} has none; not needed' },
  'runtime-dir.ok': { state: 'ok', says: '{PATH}' },
  'runtime-dir.none': { state: 'info', says: 'not set; not needed' },

  'pasta.ok': { state: 'ok', says: 'makes a network' },
  'pasta.absent': {
    state: 'info',
    says: 'not installed',
    cost: 'containers with a network of their own have no UDP (but DNS) and no ICMP to the outside',
  },
  'pasta.failed': {
    state: 'info',
    says: '{WHY}',
    cost: 'containers with a network of their own have no UDP (but DNS) and no ICMP to the outside',
  },
  'tun.ok': { state: 'ok', says: 'can be opened; pasta can carry UDP and ICMP of containers' },
  'tun.none': { state: 'info', says: '{ERRNO}; not needed' },
  'fuse.ok': { state: 'ok', says: 'can be opened; nothing in tsbox needs it' },
  'fuse.none': { state: 'info', says: '{ERRNO}; not needed' },
  'cgroup.ok': { state: 'ok', says: 'controllers: {CONTROLLERS}' },
  'cgroup.v1': {
    state: 'missing',
    says: 'no cgroup v2 hierarchy',
    cost: 'no limits of memory and cpu time for containers',
    mend: 'boot with systemd.unified_cgroup_hierarchy=1',
  },
  'cgroup.closed': {
    state: 'missing',
    says: '{PATH}: {ERRNO}',
    cost: 'no limits of memory and cpu time for containers',
    mend: 'start tsbox with: systemd-run --user --scope -p Delegate=yes tsbox …',
  },
  'cgroup.controllers': {
    state: 'missing',
    says: 'no memory among the controllers: {CONTROLLERS}',
    cost: 'no limits of memory and cpu time for containers',
    mend: 'start tsbox with: systemd-run --user --scope -p Delegate=yes tsbox …',
  },
  'logout.ok': { state: 'ok', says: 'they go on' },
  'logout.ended': {
    state: 'missing',
    says: 'systemd-logind ends them (KillUserProcesses=yes)',
    cost: 'run -d lasts as long as this login',
  },
} as const satisfies Record<`${DoctorLine}.${string}`, DoctorMessage>

export type DoctorKey = keyof typeof DOCTOR_MESSAGES

/**
 * A line of the report.
 *
 * @param values what is filled in, by name in lower case
 * @param mend in place of the message's own
 */
export function doctorFact(key: DoctorKey, values: Readonly<Record<string, string>> = {}, mend?: string): DoctorFact {
  const id = key.split('.')[0] as DoctorLine
  const { state, says, cost, mend: usual }: DoctorMessage = DOCTOR_MESSAGES[key]
  const fill = (text: string) => text.replace(/\{([A-Z]+)\}/g, (_, name: string) => values[name.toLowerCase()] ?? '')
  const cure = mend ?? usual
  return {
    id,
    state,
    title: DOCTOR_TITLES[id],
    detail: fill(says),
    ...(cost === undefined ? {} : { cost: fill(cost) }),
    ...(cure === undefined ? {} : { mend: fill(cure) }),
  }
}
