import type { SeccompMachine } from './machine.js'
import { NOT_X32, SYSCALL_TABLES } from './syscall-tables.js'

/** Kinds of system call that one kernel takes, each with numbers of its own. */
export type SyscallAbi = 'x86_64' | 'i386' | 'x32' | 'aarch64' | 'arm'

/** Machines that there are tables for, as Node names them, with the ABIs of their kernels. */
export const MACHINE_ABIS = {
  x64: ['x86_64', 'x32', 'i386'],
  arm64: ['aarch64', 'arm'],
} as const satisfies Record<SeccompMachine, readonly SyscallAbi[]>

/** Set in the number of an x32 call, which has the architecture of x86_64. */
export const X32_BIT = 0x40000000
/** ARM's own calls (cacheflush, set_tls …) begin here. */
export const ARM_PRIVATE = 0xf0000

const known = new Map<SyscallAbi, ReadonlyMap<string, number>>()

/** Numbers by name, as seccomp sees them: those of x32 have {@link X32_BIT} set. */
export function syscallNumbers(abi: SyscallAbi): ReadonlyMap<string, number> {
  let found = known.get(abi)
  if (!found) {
    found = abi === 'x32' ? x32Numbers() : readTable(SYSCALL_TABLES[abi])
    known.set(abi, found)
  }
  return found
}

function readTable(table: string): Map<string, number> {
  const out = new Map<string, number>()
  let next = 0
  for (const word of table.split(/\s+/)) {
    if (word === '') continue
    if (word.startsWith('@')) next = Number(word.slice(1))
    else out.set(word, next++)
  }
  return out
}

function x32Numbers(): Map<string, number> {
  const out = new Map(syscallNumbers('x86_64'))
  for (const name of NOT_X32.split(' ')) out.delete(name)
  for (const [name, number] of readTable(SYSCALL_TABLES.x32)) out.set(name, number)
  return new Map([...out].map(([name, number]) => [name, number + X32_BIT]))
}
