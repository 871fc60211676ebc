// Small WASI programs for tests: a list of system calls, each with the result that it must have, as WebAssembly text.
import wabt from 'wabt'

/** Parameters of preview1's functions: `i` i32, `I` i64; all return an i32 but proc_exit. */
const SIGNATURES: Record<string, string> = {
  args_get: 'ii',
  args_sizes_get: 'ii',
  clock_res_get: 'ii',
  clock_time_get: 'iIi',
  environ_get: 'ii',
  environ_sizes_get: 'ii',
  fd_advise: 'iIIi',
  fd_allocate: 'iII',
  fd_close: 'i',
  fd_datasync: 'i',
  fd_fdstat_get: 'ii',
  fd_fdstat_set_flags: 'ii',
  fd_fdstat_set_rights: 'iII',
  fd_filestat_get: 'ii',
  fd_filestat_set_size: 'iI',
  fd_filestat_set_times: 'iIIi',
  fd_pread: 'iiiIi',
  fd_prestat_dir_name: 'iii',
  fd_prestat_get: 'ii',
  fd_pwrite: 'iiiIi',
  fd_read: 'iiii',
  fd_readdir: 'iiiIi',
  fd_renumber: 'ii',
  fd_seek: 'iIii',
  fd_sync: 'i',
  fd_tell: 'ii',
  fd_write: 'iiii',
  path_create_directory: 'iii',
  path_filestat_get: 'iiiii',
  path_filestat_set_times: 'iiiiIIi',
  path_link: 'iiiiiii',
  path_open: 'iiiiiIIii',
  path_readlink: 'iiiiii',
  path_remove_directory: 'iii',
  path_rename: 'iiiiii',
  path_symlink: 'iiiii',
  path_unlink_file: 'iii',
  poll_oneoff: 'iiii',
  proc_exit: 'i',
  proc_raise: 'i',
  random_get: 'ii',
  sched_yield: '',
  sock_accept: 'iii',
  sock_recv: 'iiiiii',
  sock_send: 'iiiii',
  sock_shutdown: 'ii',
}

/** A number, a bigint for i64, or the i32 that will be at an address. */
export type Arg = number | bigint | { at: number }

export const RIGHTS_ALL = (1n << 29n) - 1n
export const O = { CREAT: 1, DIRECTORY: 2, EXCL: 4, TRUNC: 8 }
export const E = {
  BADF: 8,
  BUSY: 10,
  EXIST: 20,
  FAULT: 21,
  FBIG: 22,
  INVAL: 28,
  ISDIR: 31,
  LOOP: 32,
  NOENT: 44,
  NOSPC: 51,
  NOTDIR: 54,
  NOTEMPTY: 55,
  NOTSOCK: 57,
  PERM: 63,
  ROFS: 69,
  XDEV: 75,
  NOTCAPABLE: 76,
}

/** Builds a guest whose exit code is 0, or the number of the first call that had another result than expected. */
export class Guest {
  readonly #data: Uint8Array[] = []
  readonly #steps: string[] = []
  #calls = 0
  #top = 1024

  /** Reserves memory. */
  buffer(size: number): number {
    const at = this.#top
    this.#top += (size + 15) & ~15
    this.#data.push(new Uint8Array((size + 15) & ~15))
    return at
  }

  bytes(data: Uint8Array): [pointer: number, length: number] {
    const at = this.buffer(data.length)
    this.#data.at(-1)!.set(data)
    return [at, data.length]
  }

  text(text: string): [pointer: number, length: number] {
    return this.bytes(new TextEncoder().encode(text))
  }

  /** An iovec list of one. */
  piece(pointer: number, length: number): [pointer: number, count: number] {
    return [this.bytes(new Uint8Array(Uint32Array.of(pointer, length).buffer))[0], 1]
  }

  /** Calls, and ends the guest unless the result is `expected`. */
  expect(expected: number, name: string, ...args: Arg[]): this {
    const wat = args.map((a, i) => {
      if (typeof a === 'object') return `(i32.load (i32.const ${a.at}))`
      return SIGNATURES[name]![i] === 'I' ? `(i64.const ${a})` : `(i32.const ${a})`
    })
    const call = `(call $${name} ${wat.join(' ')})`
    this.#calls++
    this.#steps.push(
      name === 'proc_exit'
        ? call
        : `(if (i32.ne ${call} (i32.const ${expected})) (then (call $proc_exit (i32.const ${this.#calls}))))`,
    )
    return this
  }

  call(name: string, ...args: Arg[]): this {
    return this.expect(0, name, ...args)
  }

  /** Raw instructions. */
  wat(text: string): this {
    this.#steps.push(text)
    return this
  }

  /** Opens below the root; the result is where the descriptor's number will be. */
  open(path: string, oflags = 0, options: { follow?: boolean; flags?: number; rights?: bigint; dir?: Arg } = {}) {
    const out = this.buffer(4)
    const {
      follow = true,
      flags = 0,
      rights = oflags & O.DIRECTORY ? RIGHTS_ALL & ~64n : RIGHTS_ALL,
      dir = 3,
    } = options
    this.call('path_open', dir, follow ? 1 : 0, ...this.text(path), oflags, rights, RIGHTS_ALL, flags, out)
    return { at: out }
  }

  openFails(errno: number, path: string, oflags = 0, follow = true): this {
    return this.expect(
      errno,
      'path_open',
      3,
      follow ? 1 : 0,
      ...this.text(path),
      oflags,
      RIGHTS_ALL,
      RIGHTS_ALL,
      0,
      this.buffer(4),
    )
  }

  write(fd: Arg, text: string): this {
    return this.call('fd_write', fd, ...this.piece(...this.text(text)), this.buffer(4))
  }

  /** Creates or replaces a file. */
  writeFile(path: string, text: string): this {
    const fd = this.open(path, O.CREAT | O.TRUNC)
    return this.write(fd, text).call('fd_close', fd)
  }

  /** Prints memory on standard output. */
  print(pointer: number, length: number): this {
    return this.call('fd_write', 1, ...this.piece(pointer, length), this.buffer(4))
  }

  /** Prints a whole small file: what was read of at most 256 bytes, NULs behind it. */
  cat(path: string): this {
    const fd = this.open(path, 0, { rights: 2n })
    const at = this.buffer(256)
    return this.call('fd_read', fd, ...this.piece(at, 256), this.buffer(4))
      .call('fd_close', fd)
      .print(at, 256)
  }

  async wasm(): Promise<Uint8Array> {
    const imports = Object.entries(SIGNATURES).map(([name, signature]) => {
      const params = [...signature].map((c) => (c === 'I' ? 'i64' : 'i32')).join(' ')
      const result = name === 'proc_exit' ? '' : '(result i32)'
      return `(import "wasi_snapshot_preview1" "${name}" (func $${name} (param ${params}) ${result}))`
    })
    const data = this.#data.flatMap((d) => [...d]).map((b) => `\\${b.toString(16).padStart(2, '0')}`)
    return compileWat(`(module ${imports.join('\n')}
      (memory (export "memory") ${Math.ceil(this.#top / 65536) + 1})
      (data (i32.const 1024) "${data.join('')}")
      (func (export "_start") ${this.#steps.join('\n')}))`)
  }
}

/** WebAssembly text → binary. */
export async function compileWat(text: string): Promise<Uint8Array> {
  const { parseWat } = await wabt()
  const module = parseWat('test.wat', text, { threads: true })
  try {
    return module.toBinary({}).buffer
  } finally {
    module.destroy()
  }
}
