import { TsboxError } from '../base/error.js'
import { unmetImports } from './imports.js'

/** What bytes that begin with `\0asm` are. */
export type WasmKind = 'module' | 'component'

/**
 * Reads the first eight bytes of a program.
 *
 * @returns undefined for anything but WebAssembly
 * @see WebAssembly core specification, "Modules"; component model, Binary.md, "layer"
 */
export function wasmKind(head: Uint8Array): WasmKind | undefined {
  if (head.length < 8) return undefined
  const view = new DataView(head.buffer, head.byteOffset, 8)
  if (view.getUint32(0, false) !== 0x0061736d) return undefined
  const layer = view.getUint16(6, true)
  if (layer === 1) return 'component'
  return view.getUint32(4, true) === 1 ? 'module' : undefined
}

/** Refuses what this backend can't run although it is WebAssembly. @throws TsboxError E_WASM_COMPONENT */
export function refuseComponent(kind: WasmKind | undefined, name: string): void {
  if (kind !== 'component') return
  throw new TsboxError('E_WASM_COMPONENT', `run: the program is a WebAssembly component, not a module: "${name}"`, {
    hint: 'build it for wasm32-wasip1 (WASI preview1); components need a runtime of the component model',
    exitCode: 126,
  })
}

/**
 * Compiles a command module and checks, before anything of it runs, that it can.
 *
 * @param name for messages
 * @param memoryBytes what its memory may grow to
 * @throws TsboxError E_WASM_COMPONENT, E_WASM_INVALID, E_WASM_MEMORY, E_WASM_IMPORTS, E_WASM_NOT_COMMAND
 */
export function compileCommand(bytes: Uint8Array, name: string, memoryBytes: number): WebAssembly.Module {
  refuseComponent(wasmKind(bytes), name)
  const module = compile(capMemory(bytes, name, memoryBytes), name)
  const unmet = unmetImports(WebAssembly.Module.imports(module))
  if (unmet)
    throw new TsboxError('E_WASM_IMPORTS', `run "${name}": needs what WASI preview1 does not have: ${unmet.list}`, {
      hint: unmet.hint,
      exitCode: 126,
    })
  const exports = WebAssembly.Module.exports(module)
  const has = (name: string, kind: string) => exports.some((e) => e.name === name && e.kind === kind)
  if (!has('_start', 'function') || !has('memory', 'memory'))
    throw new TsboxError('E_WASM_NOT_COMMAND', `run: the module is a library, it has no "_start": "${name}"`, {
      hint: 'link it as a command (clang without -mexec-model=reactor, cargo with a main function)',
      exitCode: 126,
    })
  return module
}

function compile(bytes: Uint8Array, name: string): WebAssembly.Module {
  try {
    return new WebAssembly.Module(bytes)
  } catch (cause) {
    if (!(cause instanceof WebAssembly.CompileError)) throw cause
    throw invalid(name, cause.message, cause)
  }
}

function invalid(name: string, why: string, cause?: unknown): TsboxError {
  return new TsboxError('E_WASM_INVALID', `run "${name}": not a valid WebAssembly module: ${why}`, {
    exitCode: 126,
    cause,
  })
}

const HEADER = 8
const MEMORY_SECTION = 5
const PAGE = 65_536

/** The module with every memory's maximum lowered to the cap; the rest byte for byte. */
function capMemory(bytes: Uint8Array, name: string, memoryBytes: number): Uint8Array {
  for (let at = HEADER; at < bytes.length; ) {
    const size = readLeb(bytes, at + 1)
    const end = size.next + size.value
    if (bytes[at] === MEMORY_SECTION) {
      const body = cappedSection(bytes.subarray(size.next, end), name, Math.floor(memoryBytes / PAGE))
      const section = Uint8Array.from([MEMORY_SECTION, ...writeLeb(body.length), ...body])
      const out = new Uint8Array(at + section.length + bytes.length - end)
      out.set(bytes.subarray(0, at))
      out.set(section, at)
      out.set(bytes.subarray(end), at + section.length)
      return out
    }
    at = end
  }
  return bytes
}

function cappedSection(body: Uint8Array, name: string, maxPages: number): number[] {
  const count = readLeb(body, 0)
  const out = writeLeb(count.value)
  let at = count.next
  for (let i = 0; i < count.value; i++) {
    const flags = readLeb(body, at)
    // Shared and 64-bit memories are left for the engine to judge: no command of preview1 has one.
    if (flags.value > 1) return [...body]
    const min = readLeb(body, flags.next)
    const max = flags.value === 1 ? readLeb(body, min.next) : { value: maxPages, next: min.next }
    if (min.value > maxPages)
      throw new TsboxError('E_WASM_MEMORY', `run: needs more memory than ${maxPages * PAGE} bytes: "${name}"`, {
        exitCode: 126,
      })
    out.push(1, ...writeLeb(min.value), ...writeLeb(Math.min(max.value, maxPages)))
    at = max.next
  }
  return out
}

/** Unsigned LEB128; damage shows as a section beyond the end, which the engine refuses. */
function readLeb(bytes: Uint8Array, at: number): { value: number; next: number } {
  let value = 0
  for (let shift = 1, next = at; ; shift *= 128) {
    const byte = bytes[next++] ?? 0
    value += (byte & 127) * shift
    if (byte < 128 || next - at > 5) return { value, next }
  }
}

function writeLeb(value: number): number[] {
  const out: number[] = []
  let rest = value
  for (; rest > 127; rest = Math.floor(rest / 128)) out.push((rest & 127) | 128)
  return [...out, rest]
}
