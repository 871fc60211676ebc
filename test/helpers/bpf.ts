/** A system call as a seccomp program sees it. @see struct seccomp_data */
export interface SeccompCall {
  arch: number
  number: number
  /** Registers of 64 bits; missing ones are 0. */
  args?: readonly bigint[]
}

/** Runs a seccomp program, instruction by instruction. @returns the action @throws where the kernel would refuse it */
export function runFilter(program: Uint8Array, call: SeccompCall): number {
  const data = new DataView(new ArrayBuffer(64))
  data.setInt32(0, call.number | 0, true)
  data.setUint32(4, call.arch, true)
  call.args?.forEach((value, i) => {
    data.setBigUint64(16 + 8 * i, BigInt.asUintN(64, value), true)
  })
  const view = new DataView(program.buffer, program.byteOffset, program.byteLength)
  let accumulator = 0
  for (let pc = 0; pc * 8 < program.length; pc++) {
    const k = view.getUint32(pc * 8 + 4, true)
    const jump = (holds: boolean) => {
      pc += view.getUint8(pc * 8 + (holds ? 2 : 3))
    }
    const code = view.getUint16(pc * 8, true)
    if (code === 0x06) return k
    if (code === 0x20) accumulator = data.getUint32(k, true)
    else if (code === 0x54) accumulator = (accumulator & k) >>> 0
    else if (code === 0x05) pc += k
    else if (code === 0x15) jump(accumulator === k)
    else if (code === 0x25) jump(accumulator > k)
    else if (code === 0x35) jump(accumulator >= k)
    else throw new Error(`instruction ${pc}: unknown code ${code}`)
  }
  throw new Error('the program has no end')
}
