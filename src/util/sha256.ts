/** sha256.wat, compiled; a test compares the two. */
export const KERNEL =
  'AGFzbQEAAAABBQFgAX8AAwIBAAUDAQABBxUCBm1lbW9yeQIACGNvbXByZXNzAAAK5gMB4wMBDH9BgAghAQJAA0AgASAATw0BQQAhAgNA' +
  'IAEgAmooAgAhAyACIANBCHdB/4H8B3EgA0EIeEGA/oN4cXI2AsACIAJBBGohAiACQcAASQ0ACwNAIAIoAoQCIQMgAigCuAIhBCACIAIo' +
  'AoACIAIoAqQCaiADQQd4IANBEnhzIANBA3ZzIARBEXggBEETeHMgBEEKdnNqajYCwAIgAkEEaiECIAJBgAJJDQALQQAoAgAhBUEEKAIA' +
  'IQZBCCgCACEHQQwoAgAhCEEQKAIAIQlBFCgCACEKQRgoAgAhC0EcKAIAIQxBACECA0AgDCACKAJAaiACKALAAmogCUEGeCAJQQt4cyAJ' +
  'QRl4cyALIAkgCiALc3FzamohAyAFQQJ4IAVBDXhzIAVBFnhzIAUgBnEgByAFIAZycXJqIQQgCyEMIAohCyAJIQogCCADaiEJIAchCCAG' +
  'IQcgBSEGIAMgBGohBSACQQRqIQIgAkGAAkkNAAtBAEEAKAIAIAVqNgIAQQRBBCgCACAGajYCAEEIQQgoAgAgB2o2AgBBDEEMKAIAIAhq' +
  'NgIAQRBBECgCACAJajYCAEEUQRQoAgAgCmo2AgBBGEEYKAIAIAtqNgIAQRxBHCgCACAMajYCACABQcAAaiEBDAALCwsLiAIBAEHAAAuA' +
  'ApgvikKRRDdxz/vAtaXbtelbwlY58RHxWaSCP5LVXhyrmKoH2AFbgxK+hTEkw30MVXRdvnL+sd6Apwbcm3Txm8HBaZvkhke+78adwQ/M' +
  'oQwkbyzpLaqEdErcqbBc2oj5dlJRPphtxjGoyCcDsMd/Wb/zC+DGR5Gn1VFjygZnKSkUhQq3JzghGy78bSxNEw04U1RzCmW7Cmp2LsnC' +
  'gYUscpKh6L+iS2YaqHCLS8KjUWzHGeiS0SQGmdaFNQ70cKBqEBbBpBkIbDceTHdIJ7W8sDSzDBw5SqrYTk/KnFvzby5o7oKPdG9jpXgU' +
  'eMiECALHjPr/vpDrbFCk96P5vvJ4ccY='

/** Most bytes that {@link sha256Small} takes. */
export const SMALL_BYTES = 32 * 1024

const MESSAGE = 1024
const BLOCK = 64
const INITIAL = [0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19]

interface Kernel {
  compress: (end: number) => void
  state: Uint32Array
  message: Uint8Array
}

let kernel: Kernel | undefined

/**
 * SHA-256 of little data without loading `node:crypto`, which costs 3 ms at the start of a process; this costs 0.3 ms.
 *
 * @param pieces {@link SMALL_BYTES} at most together
 * @returns lower-case hex
 * @see FIPS 180-4, sections 5.1.1 and 6.2
 */
export function sha256Small(pieces: readonly Uint8Array[]): string {
  kernel ??= loadKernel()
  const { compress, state, message } = kernel
  state.set(INITIAL)
  let size = 0
  for (const piece of pieces) {
    message.set(piece, size)
    size += piece.length
  }
  // A one bit, zeros, and the length in bits fill the last block.
  const padded = Math.ceil((size + 9) / BLOCK) * BLOCK
  message.fill(0, size, padded)
  message[size] = 0x80
  new DataView(message.buffer).setUint32(MESSAGE + padded - 4, size * 8)
  compress(MESSAGE + padded)
  let hex = ''
  for (const word of state) hex += word.toString(16).padStart(8, '0')
  return hex
}

function loadKernel(): Kernel {
  const module = new WebAssembly.Module(Buffer.from(KERNEL, 'base64'))
  const { memory, compress } = new WebAssembly.Instance(module, {}).exports as {
    memory: WebAssembly.Memory
    compress: Kernel['compress']
  }
  return { compress, state: new Uint32Array(memory.buffer, 0, 8), message: new Uint8Array(memory.buffer, MESSAGE) }
}
