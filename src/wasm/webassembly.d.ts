/**
 * What this folder uses of the WebAssembly JavaScript interface; declared here because the compiler's library has it
 * only together with the whole DOM.
 *
 * @see https://webassembly.github.io/spec/js-api/
 */
declare namespace WebAssembly {
  type ImportExportKind = 'function' | 'global' | 'memory' | 'table' | 'tag'
  interface ImportDescriptor {
    module: string
    name: string
    kind: ImportExportKind
  }
  interface ExportDescriptor {
    name: string
    kind: ImportExportKind
  }
  class Module {
    constructor(bytes: Uint8Array)
    private readonly brand: 'Module'
    static imports(module: Module): ImportDescriptor[]
    static exports(module: Module): ExportDescriptor[]
  }
  class Instance {
    constructor(module: Module, imports: Record<string, Record<string, unknown>>)
    readonly exports: Record<string, unknown>
  }
  class Memory {
    constructor(descriptor: { initial: number; maximum?: number })
    readonly buffer: ArrayBuffer
  }
  class CompileError extends Error {}
  class LinkError extends Error {}
  class RuntimeError extends Error {}
}
