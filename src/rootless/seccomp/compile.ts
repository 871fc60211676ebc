import { answer, assemble, type Instruction, ifAtLeast, ifEqual, ifTests, loadArch, loadNumber } from './bpf.js'
import { ACTION, type SeccompProfile, type SeccompRule } from './profile.js'
import { ARM_PRIVATE, type SyscallAbi, syscallNumbers, X32_BIT } from './syscall-numbers.js'

/** AUDIT_ARCH_* of <linux/audit.h>. */
const AUDIT_ARCH: Readonly<Record<SyscallAbi, number>> = {
  x86_64: 0xc000003e,
  x32: 0xc000003e,
  i386: 0x40000003,
  aarch64: 0xc00000b7,
  arm: 0x40000028,
}
/** ABIs whose arguments have 64 bits. */
const WIDE: ReadonlySet<SyscallAbi> = new Set(['x86_64', 'aarch64'])
/** BPF_MAXINSNS. */
const INSTRUCTIONS_MAX = 4096

/** What happens from a number on, up to the next range. */
interface Range {
  from: number
  code: readonly Instruction[]
}

/** True where a profile has more rules than the kernel takes. */
export class SeccompTooLong extends Error {}

/**
 * Compiles a profile to a program for seccomp(2): a binary search over ranges of numbers for each ABI. Calls that are
 * decided without their arguments cost nothing at run time: the kernel computes their answers when it gets the program.
 *
 * @returns an array of struct sock_filter
 * @throws SeccompTooLong
 */
export function compileSeccomp(profile: SeccompProfile): Uint8Array {
  const program: Instruction[] = [loadArch]
  for (const arch of new Set(profile.abis.map((abi) => AUDIT_ARCH[abi]))) {
    const ranges = profile.abis.filter((abi) => AUDIT_ARCH[abi] === arch).flatMap((abi) => abiRanges(profile, abi))
    // Without x32 its numbers are beyond the last one; without x86_64 there is nothing below them.
    if (ranges[0]?.from !== 0) ranges.unshift({ from: 0, code: [answer(profile.defaultAction)] })
    program.push(...ifEqual(arch, [loadNumber, ...search(joined(ranges))]))
  }
  program.push(answer(ACTION.killProcess))
  if (program.length > INSTRUCTIONS_MAX) throw new SeccompTooLong(`${program.length} instructions`)
  return assemble(program)
}

/** Ranges of all numbers of an ABI, ascending. */
function abiRanges(profile: SeccompProfile, abi: SyscallAbi): Range[] {
  const byNumber = new Map<number, SeccompRule[]>()
  const numbers = syscallNumbers(abi)
  for (const rule of profile.rules)
    for (const name of rule.names) {
      const number = numbers.get(name)
      if (number === undefined) continue
      const rules = byNumber.get(number)
      if (rules) rules.push(rule)
      else byNumber.set(number, [rule])
    }
  const other = [answer(profile.defaultAction)]
  const beyond = [answer(profile.unknownAction ?? profile.defaultAction)]
  const named = [...byNumber.keys()].sort((a, b) => a - b)
  const last = named.findLast((n) => abi !== 'arm' || n < ARM_PRIVATE)
  const ranges: Range[] = []
  let next = abi === 'x32' ? X32_BIT : 0
  for (const number of named) {
    const gap = last !== undefined && next > last ? beyond : other
    if (number > next) ranges.push({ from: next, code: gap })
    ranges.push({ from: number, code: callCode(byNumber.get(number)!, profile.defaultAction, WIDE.has(abi)) })
    next = number + 1
  }
  ranges.push({ from: next, code: beyond })
  return ranges
}

function callCode(rules: readonly SeccompRule[], defaultAction: number, wide: boolean): Instruction[] {
  const always = rules.find((r) => !r.tests?.length)
  if (always) return [answer(always.action)]
  return [...rules.flatMap((r) => ifTests(r.tests!, wide, r.action)), answer(defaultAction)]
}

/** Neighbours with the same code are one range. */
function joined(ranges: readonly Range[]): Range[] {
  const out: Range[] = []
  for (const range of ranges) {
    const before = out.at(-1)
    if (!before || String(before.code) !== String(range.code)) out.push(range)
  }
  return out
}

function search(ranges: readonly Range[]): readonly Instruction[] {
  if (ranges.length === 1) return ranges[0]!.code
  const middle = ranges.length >> 1
  return ifAtLeast(ranges[middle]!.from, search(ranges.slice(0, middle)), search(ranges.slice(middle)))
}
