import { closeSync, openSync, readdirSync, readSync, realpathSync, statSync } from 'node:fs'
import { basename, dirname, isAbsolute, join, resolve } from 'node:path'
import { errnoCode, TsboxError } from '../../base/error.js'
import { type ElfFile, readElf } from './elf.js'
import type { HostTree } from './host-tree.js'
import { type LibrarySearch, librarySearch } from './library-path.js'

/** Libraries that glibc loads by itself when names are looked up; built into it since 2.34. */
const NSS_LIBRARIES = ['libnss_files.so.2', 'libnss_dns.so.2']
const DEFAULT_DIRS = ['/lib', '/usr/lib', '/lib64', '/usr/lib64']
const SHEBANG_BYTES = 256

/** Where programs are looked for. */
export interface CollectOptions {
  tree: HostTree
  /** Folders of PATH. */
  path: readonly string[]
  cwd: string
}

/** An object that is being loaded, and the program that it is loaded for. */
interface Loading {
  /** Path without links. */
  file: string
  elf: ElfFile
  program: { elf: ElfFile; file: string; search: LibrarySearch }
}

/** Takes programs of this machine into a tree, with their interpreters and the shared libraries that they need. */
export class Collector {
  readonly #options: CollectOptions
  readonly #seen = new Set<string>()

  constructor(options: CollectOptions) {
    this.#options = options
  }

  /**
   * @param program a name to be found in PATH, or the path of a file or a folder
   * @returns its absolute path, links not followed
   * @throws TsboxError E_PROGRAM_NOT_FOUND, E_LIBRARY_NOT_FOUND, E_ELF_UNSUPPORTED, E_FILE_UNREADABLE
   */
  add(program: string): string {
    const path = this.#find(program)
    if (!this.#include(path))
      throw new TsboxError('E_PROGRAM_NOT_FOUND', `find program: there is no such file: "${program}"`)
    return path
  }

  #find(program: string): string {
    if (program.includes('/')) return isAbsolute(program) ? program : resolve(this.#options.cwd, program)
    const found = this.#options.path.map((dir) => join(dir, program)).find(isExecutableFile)
    if (found) return found
    throw new TsboxError('E_PROGRAM_NOT_FOUND', `find program: not in PATH: "${program}"`, {
      hint: 'install it, or give its path',
    })
  }

  /** False where the path leads to nothing (or to a socket or device, which no layer has). */
  #include(path: string): boolean {
    const file = this.#options.tree.include(path)
    if (file === undefined) return false
    if (this.#seen.has(file)) return true
    this.#seen.add(file)
    if (statSync(file).isDirectory()) {
      for (const name of readdirSync(file).sort()) this.#include(join(file, name))
      return true
    }
    const { elf, head } = inspect(file)
    if (elf) this.#addProgram(file, elf)
    else if (head.startsWith('#!')) this.#addInterpreter(head)
    return true
  }

  #addProgram(file: string, elf: ElfFile): void {
    const loader = elf.interpreter
    if (loader !== undefined) this.#options.tree.include(loader)
    if (elf.needed.length === 0) return
    const search = librarySearch(loader ?? '')
    const program = { elf, file, search }
    this.#addLibraries({ file, elf, program })
    if (loader !== undefined && !isMusl(loader)) this.#addNss(program)
  }

  /** `#!/usr/bin/env python3` needs both. @see execve(2), "Interpreter scripts" */
  #addInterpreter(head: string): void {
    const line = head.slice(2).split('\n')[0]!.trim()
    const [interpreter, ...args] = line.split(/\s+/)
    if (!interpreter) return
    this.add(interpreter)
    if (basename(interpreter) !== 'env') return
    const inner = args.find((a) => !a.startsWith('-') && !a.includes('='))
    if (inner !== undefined) this.add(inner)
  }

  #addLibraries(object: Loading): void {
    for (const name of object.elf.needed) {
      const found = this.#locate(name, object)
      if (!found) continue
      const file = this.#options.tree.include(found.path)!
      if (found.searched) this.#makeFindable(name, found.path, object)
      if (this.#seen.has(`${object.program.file}\0${file}`)) continue
      this.#seen.add(`${object.program.file}\0${file}`)
      this.#addLibraries({ file, elf: found.elf, program: object.program })
    }
  }

  /** @returns undefined for musl's libc, which is its loader */
  #locate(name: string, object: Loading): { path: string; elf: ElfFile; searched: boolean } | undefined {
    const { machine } = object.elf
    const own = name.includes('/') ? [name] : ownPaths(object).map((dir) => join(dir, name))
    for (const path of own) {
      const elf = elfIfThere(path)
      if (elf?.machine === machine) return { path, elf, searched: false }
    }
    for (const path of object.program.search.candidates(name)) {
      const elf = elfIfThere(path)
      if (elf?.machine === machine) return { path, elf, searched: true }
    }
    if (isMusl(object.program.elf.interpreter ?? '') && name.startsWith('libc.')) return undefined
    throw new TsboxError('E_LIBRARY_NOT_FOUND', `find library: "${name}", which "${object.file}" needs, is not there`, {
      hint: 'install the package that has it',
    })
  }

  /**
   * The image has no ld.so.cache: a library in a folder that only the cache knows gets a link beside libc, where the
   * loader looks by itself.
   */
  #makeFindable(name: string, path: string, object: Loading): void {
    const libc = object.program.search
      .candidates('libc.so.6')
      .find((p) => elfIfThere(p)?.machine === object.elf.machine)
    const home = libc && dirname(libc)
    const known = new Set([...DEFAULT_DIRS, ...(home ? [home] : [])].map(realpathIfThere))
    if (!home || known.has(realpathIfThere(dirname(path)))) return
    this.#options.tree.link(`${home}/${name}`.slice(1), path)
  }

  #addNss(program: Loading['program']): void {
    for (const name of NSS_LIBRARIES) {
      const path = program.search.candidates(name).find((p) => elfIfThere(p)?.machine === program.elf.machine)
      if (path) this.#options.tree.include(path)
    }
  }
}

/** Folders that the object itself names. An object's RPATH counts only without RUNPATH; the program's RPATH for all. */
function ownPaths({ elf, file, program }: Loading): string[] {
  const expand = (origin: string) => (dir: string) =>
    dir.replace(/\$(?:ORIGIN|\{ORIGIN\})/g, dirname(origin)).replace(/\$(?:LIB|\{LIB\})/g, 'lib')
  const rpath = elf.runpath.length ? [] : elf.rpath
  const inherited = program.elf.runpath.length || program.file === file ? [] : program.elf.rpath
  return [...rpath.map(expand(file)), ...inherited.map(expand(program.file)), ...elf.runpath.map(expand(file))].filter(
    (dir) => isAbsolute(dir),
  )
}

function isMusl(interpreter: string): boolean {
  return basename(interpreter).startsWith('ld-musl-')
}

function isExecutableFile(path: string): boolean {
  try {
    const stat = statSync(path)
    return stat.isFile() && (stat.mode & 0o111) !== 0
  } catch (err) {
    // A PATH may name folders that are files, or that belong to somebody else.
    if (['ENOENT', 'ENOTDIR', 'EACCES', 'ELOOP'].includes(errnoCode(err) ?? '')) return false
    throw err
  }
}

function realpathIfThere(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    return path
  }
}

function elfIfThere(path: string): ElfFile | undefined {
  if (!statSync(path, { throwIfNoEntry: false })?.isFile()) return undefined
  try {
    return inspect(path).elf
  } catch (err) {
    // A candidate of another machine, or a linker script by a library's name.
    if (err instanceof TsboxError) return undefined
    throw err
  }
}

function inspect(path: string): { elf: ElfFile | undefined; head: string } {
  let fd: number
  try {
    fd = openSync(path, 'r')
  } catch (err) {
    if (errnoCode(err) !== 'EACCES') throw err
    throw new TsboxError('E_FILE_UNREADABLE', `read program: it can't be read (EACCES): "${path}"`, {
      hint: 'give the path of a program that this user may read',
    })
  }
  try {
    const readAt = (b: Uint8Array, at: number) => readSync(fd, b, 0, b.length, at)
    const elf = readElf(readAt, path)
    if (elf) return { elf, head: '' }
    const head = Buffer.alloc(SHEBANG_BYTES)
    return { elf, head: head.toString('utf8', 0, readAt(head, 0)) }
  } finally {
    closeSync(fd)
  }
}
