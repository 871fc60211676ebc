import type { ArgumentTest } from './profile.js'

/** An instruction: code, how many to skip when true and when false, and a number. @see <linux/bpf_common.h> */
export type Instruction = readonly [code: number, whenTrue: number, whenFalse: number, k: number]

const LOAD = 0x20
const AND = 0x54
const JUMP = 0x05
const JEQ = 0x15
const JGT = 0x25
const JGE = 0x35
const RETURN = 0x06

/** Offsets in struct seccomp_data. */
const NR = 0
const ARCH = 4
const ARGS = 16

/** Jumps of a test are resolved once its length is known. */
const PASS = -1
const FAIL = -2

export const loadNumber: Instruction = [LOAD, 0, 0, NR]
export const loadArch: Instruction = [LOAD, 0, 0, ARCH]
export const answer = (action: number): Instruction => [RETURN, 0, 0, action >>> 0]

/** `whenEqual` where the accumulator is `value`, else what follows. */
export function ifEqual(value: number, whenEqual: readonly Instruction[]): Instruction[] {
  return [[JEQ, 1, 0, value], [JUMP, 0, 0, whenEqual.length], ...whenEqual]
}

/** `above` where the accumulator is at least `from`, else `below`. Neither may run through to its end. */
export function ifAtLeast(from: number, below: readonly Instruction[], above: readonly Instruction[]): Instruction[] {
  if (below.length <= 255) return [[JGE, below.length, 0, from], ...below, ...above]
  return [[JGE, 0, 1, from], [JUMP, 0, 0, below.length], ...below, ...above]
}

/** Answers where all tests hold, else goes on to what follows. `wide`: registers of 64 bits. */
export function ifTests(tests: readonly ArgumentTest[], wide: boolean, action: number): Instruction[] {
  const parts = tests.map((t) => testCode(t, wide && !t.int))
  const length = parts.reduce((n, p) => n + p.length, 0) + 1
  const out: Instruction[] = []
  for (const part of parts) {
    const end = out.length + part.length
    for (const [code, yes, no, k] of part) {
      const at = out.length + 1
      const to = (jump: number) => (jump === PASS ? end - at : jump === FAIL ? length - at : jump)
      out.push([code, to(yes), to(no), k])
    }
  }
  return [...out, answer(action)]
}

function testCode(test: ArgumentTest, wide: boolean): Instruction[] {
  const low = Number(test.value & 0xffffffffn)
  const high = Number((test.value >> 32n) & 0xffffffffn)
  const loadLow: Instruction = [LOAD, 0, 0, ARGS + 8 * test.index]
  const loadHigh: Instruction = [LOAD, 0, 0, ARGS + 8 * test.index + 4]
  const mask = test.mask ?? 0xffffffffffffffffn
  const maskLow: Instruction = [AND, 0, 0, Number(mask & 0xffffffffn)]
  const maskHigh: Instruction = [AND, 0, 0, Number((mask >> 32n) & 0xffffffffn)]
  // `le` and `lt` are `gt` and `ge` with the answers changed round.
  const [yes, no] = test.op === 'lt' || test.op === 'le' || test.op === 'ne' ? [FAIL, PASS] : [PASS, FAIL]
  switch (test.op) {
    case 'eq':
    case 'ne':
      return [...(wide ? ([loadHigh, [JEQ, 0, no, high]] as const) : []), loadLow, [JEQ, yes, no, low]]
    case 'masked-eq':
      return [
        ...(wide ? ([loadHigh, maskHigh, [JEQ, 0, no, high]] as const) : []),
        loadLow,
        maskLow,
        [JEQ, yes, no, low],
      ]
    default: {
      const compare = test.op === 'gt' || test.op === 'le' ? JGT : JGE
      const upper = wide ? ([loadHigh, [JGT, yes, 0, high], [JEQ, 0, no, high]] as const) : []
      return [...upper, loadLow, [compare, yes, no, low]]
    }
  }
}

/** An array of struct sock_filter in little-endian order, as all machines have that there are tables for. */
export function assemble(program: readonly Instruction[]): Uint8Array {
  const out = new Uint8Array(program.length * 8)
  const view = new DataView(out.buffer)
  program.forEach(([code, yes, no, k], i) => {
    view.setUint16(i * 8, code, true)
    view.setUint8(i * 8 + 2, yes)
    view.setUint8(i * 8 + 3, no)
    view.setUint32(i * 8 + 4, k, true)
  })
  return out
}
