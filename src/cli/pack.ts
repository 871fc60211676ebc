/**
 * Modules of tsbox in one file, each with the code that V8 compiled for it when tsbox was built. A start reads and
 * compiles only what the command needs: a third of the time of one bundle, half that of files for each module.
 */
import { openSync, readSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { Script } from 'node:vm'

/** Where a module is in the pack: its text (ASCII) at `at`, its compiled code right after it, maybe of no bytes. */
export type PackIndex = Readonly<Record<string, readonly [at: number, length: number, cacheLength: number]>>

/** Reads modules of a pack. Modules name each other `./name`, and nothing else but Node's own. */
export class Pack {
  readonly #index: PackIndex
  readonly #dir: string
  readonly #fd: number
  readonly #scripts = new Map<string, Script>()
  readonly #modules = new Map<string, { exports: unknown }>()

  constructor(file: string, index: PackIndex) {
    this.#index = index
    this.#dir = dirname(file)
    this.#fd = openSync(file, 'r')
  }

  /** What a module exports; it runs when it is asked for the first time. */
  load(name: string): unknown {
    const known = this.#modules.get(name)
    if (known) return known.exports
    const module = { exports: {} }
    this.#modules.set(name, module)
    const filename = join(this.#dir, name)
    const require = (wanted: string) =>
      wanted.startsWith('./') ? this.load(wanted.slice(2)) : process.getBuiltinModule(wanted)
    const run = this.script(name).runInThisContext()
    run.call(module.exports, module.exports, require, module, `file://${encodeURI(filename)}`)
    return module.exports
  }

  /** The compiled module. V8 compiles it anew where the pack was built by another Node. */
  script(name: string): Script {
    const known = this.#scripts.get(name)
    if (known) return known
    const [at, length, cacheLength] = this.#index[name]!
    const bytes = Buffer.allocUnsafeSlow(length + cacheLength)
    readSync(this.#fd, bytes, 0, bytes.length, at)
    const text = `(function (exports, require, module, importMetaUrl) {${bytes.toString('latin1', 0, length)}\n})`
    const filename = join(this.#dir, name)
    const script = new Script(text, cacheLength ? { filename, cachedData: bytes.subarray(length) } : { filename })
    this.#scripts.set(name, script)
    return script
  }
}
