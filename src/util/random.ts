import { closeSync, openSync, readSync } from 'node:fs'

/** Lower-case hex of `bytes` bytes that nobody can guess, from the kernel: loading `node:crypto` costs 3 ms. */
export function randomHex(bytes: number): string {
  const fd = openSync('/dev/urandom', 'r')
  try {
    const out = Buffer.alloc(bytes)
    if (readSync(fd, out) !== bytes) throw new Error('/dev/urandom gave too little')
    return out.toString('hex')
  } finally {
    closeSync(fd)
  }
}

/** 16 hex digits that nobody else has. */
export function randomId(): string {
  return randomHex(8)
}
