import { TsboxError } from '../base/error.js'

/** Names without `CAP_`, by number. @see capabilities(7) */
export const CAPABILITIES = (
  'CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE ' +
  'NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN ' +
  'SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE ' +
  'MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE'
).split(' ')

export const ALL_CAPABILITIES: readonly number[] = CAPABILITIES.map((_, n) => n)

/** Docker's default capabilities, by number. @see capabilities(7), moby oci/caps/defaults.go */
export const DEFAULT_CAPABILITIES: readonly number[] = [0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 27, 29, 31]

/**
 * Docker's rules for `--cap-add` and `--cap-drop`: names in any case, with or without `CAP_`; `ALL` is every one; what is
 * both added and dropped by name is dropped, but a name takes precedence over the other list's `ALL`.
 *
 * @returns numbers, ascending
 * @throws TsboxError E_CAPABILITY, exit code 125
 */
export function capabilitySet(add: readonly string[], drop: readonly string[]): number[] {
  const added = parseNames('--cap-add', add)
  const dropped = parseNames('--cap-drop', drop)
  const base = added.all ? ALL_CAPABILITIES : dropped.all ? [] : DEFAULT_CAPABILITIES
  const set = new Set([...base, ...added.numbers])
  for (const n of dropped.numbers) set.delete(n)
  return [...set].sort((a, b) => a - b)
}

function parseNames(option: string, names: readonly string[]): { all: boolean; numbers: number[] } {
  const upper = names.flatMap((n) => n.split(',')).map((n) => n.trim().toUpperCase())
  return {
    all: upper.includes('ALL'),
    numbers: upper.filter((n) => n !== 'ALL').map((n) => numberOf(option, n)),
  }
}

function numberOf(option: string, name: string): number {
  const number = CAPABILITIES.indexOf(name.replace(/^CAP_/, ''))
  if (number < 0)
    throw new TsboxError('E_CAPABILITY', `invalid ${option}: unknown capability: "${name}"`, {
      exitCode: 125,
      hint: 'names are those of capabilities(7), with or without CAP_, or ALL',
    })
  return number
}
