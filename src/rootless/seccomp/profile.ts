import type { SyscallAbi } from './syscall-numbers.js'

/** What the kernel does with a call. @see seccomp(2), SECCOMP_RET_* */
export const ACTION = {
  killProcess: 0x80000000,
  killThread: 0,
  trap: 0x00030000,
  errno: (number: number) => 0x00050000 | number,
  trace: (message: number) => 0x7ff00000 | message,
  log: 0x7ffc0000,
  allow: 0x7fff0000,
} as const

export const EPERM = 1
export const ENOSYS = 38

export type Comparison = 'ne' | 'lt' | 'le' | 'eq' | 'ge' | 'gt' | 'masked-eq'

/** A condition on an argument. */
export interface ArgumentTest {
  /** 0 to 5. */
  index: number
  op: Comparison
  value: bigint
  /** With `masked-eq`: the bits that are compared. */
  mask?: bigint | undefined
  /** The kernel takes an `int` here: the upper half of the register means nothing, and is not looked at. */
  int?: boolean | undefined
}

/** One rule; it holds where all of its tests do. Names that an ABI lacks are passed over. */
export interface SeccompRule {
  names: readonly string[]
  action: number
  tests?: readonly ArgumentTest[] | undefined
}

/**
 * What a filter is compiled from. Of the rules of one call an unconditional one decides (the first of them), else the
 * first that holds, else the default action.
 */
export interface SeccompProfile {
  defaultAction: number
  /** For numbers beyond the last call that the rules name: programs take another way where a kernel is too old. */
  unknownAction?: number | undefined
  /** What to filter; calls of other ABIs end the process. */
  abis: readonly SyscallAbi[]
  rules: readonly SeccompRule[]
}
