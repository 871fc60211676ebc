import { wasi } from '@bjorn3/browser_wasi_shim'
import { FD_READ, FD_WRITE, HostFd } from './fd.js'

const META = BigInt(wasi.RIGHTS_FD_FILESTAT_GET | wasi.RIGHTS_POLL_FD_READWRITE)

/** Standard input of a build step: at its end. */
export class EmptyInput extends HostFd {
  readonly filetype = wasi.FILETYPE_UNKNOWN

  constructor() {
    super({ base: FD_READ | META, inheriting: 0n })
  }

  override read(): number {
    return 0
  }
}

/** Standard output or error: hands on what is written, in a copy of its own. Not a terminal, so it has no position. */
export class OutputStream extends HostFd {
  readonly filetype = wasi.FILETYPE_UNKNOWN
  readonly #sink: (chunk: Uint8Array) => void

  constructor(sink: (chunk: Uint8Array) => void) {
    super({ base: FD_WRITE | META, inheriting: 0n })
    this.#sink = sink
  }

  override write(data: Uint8Array): number {
    if (data.length > 0) this.#sink(data.slice())
    return data.length
  }
}
