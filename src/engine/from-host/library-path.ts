import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'

/** Looks for libraries as the machine's loader would. */
export interface LibrarySearch {
  /** Candidates for a name, best first; they need not exist or be of the right machine. */
  candidates(name: string): string[]
}

const CACHE_MAGIC = 'glibc-ld.so.cache1.1'
const CACHE_HEADER = 48
const CACHE_ENTRY = 24
const GLIBC_DIRS = ['/lib64', '/usr/lib64', '/lib', '/usr/lib']
const MUSL_DIRS = ['/lib', '/usr/local/lib', '/usr/lib']

/** The search of a program's loader. @param interpreter PT_INTERP */
export function librarySearch(interpreter: string): LibrarySearch {
  return basename(interpreter).startsWith('ld-musl-') ? muslSearch(interpreter) : glibcSearch()
}

/** glibc: its cache, else the folders of ld.so.conf; then the ones that it knows by itself. @see ld.so(8) */
function glibcSearch(): LibrarySearch {
  const cache = readCache('/etc/ld.so.cache')
  const dirs = [...(cache ? [] : confDirs('/etc/ld.so.conf')), ...multiarchDirs(), ...GLIBC_DIRS]
  return { candidates: (name) => [...(cache?.get(name) ?? []), ...dirs.map((d) => join(d, name))] }
}

/** musl: its path file, else three fixed folders. @see musl, ldso/dynlink.c */
function muslSearch(interpreter: string): LibrarySearch {
  const file = `/etc/${basename(interpreter, '.so.1')}.path`
  const text = existsSync(file) ? readFileSync(file, 'utf8') : ''
  const dirs = text.split(/[:\n]/).filter((d) => d !== '')
  // musl's libc and its loader are one file, which programs name libc.so or libc.musl-ARCH.so.1.
  return { candidates: (name) => [...(dirs.length ? dirs : MUSL_DIRS), dirname(interpreter)].map((d) => join(d, name)) }
}

/**
 * Names and paths of ld.so.cache, in its order; libraries for special processors are left out, as the image may run on
 * another one.
 *
 * @see glibc, sysdeps/generic/dl-cache.h
 */
export function parseCache(bytes: Buffer): Map<string, string[]> | undefined {
  // An old-format table may stand before the one that is read here.
  const at = bytes.indexOf(CACHE_MAGIC, 0, 'latin1')
  if (at < 0 || bytes.length < at + CACHE_HEADER) return undefined
  const little = bytes.readUInt32LE(at + 20) < bytes.readUInt32BE(at + 20)
  const u32 = (p: number) => (little ? bytes.readUInt32LE(p) : bytes.readUInt32BE(p))
  const count = u32(at + 20)
  if (at + CACHE_HEADER + count * CACHE_ENTRY > bytes.length) return undefined
  const text = (offset: number) => {
    const end = bytes.indexOf(0, at + offset)
    return bytes.toString('utf8', at + offset, end < 0 ? bytes.length : end)
  }
  const out = new Map<string, string[]>()
  for (let i = 0; i < count; i++) {
    const p = at + CACHE_HEADER + i * CACHE_ENTRY
    const path = text(u32(p + 8))
    if (path.includes('/glibc-hwcaps/')) continue
    const name = text(u32(p + 4))
    const list = out.get(name)
    if (list) list.push(path)
    else out.set(name, [path])
  }
  return out
}

function readCache(path: string): Map<string, string[]> | undefined {
  return existsSync(path) ? parseCache(readFileSync(path)) : undefined
}

/** Folders of ld.so.conf and the files that it includes. @see ldconfig(8) */
export function confDirs(path: string, depth = 0): string[] {
  if (depth > 8 || !existsSync(path)) return []
  return readFileSync(path, 'utf8')
    .split('\n')
    .map((line) => line.replace(/#.*/, '').trim())
    .flatMap((line) => {
      const include = /^include\s+(.*)$/.exec(line)
      if (!include) return line === '' ? [] : [line]
      return include[1]!
        .split(/\s+/)
        .flatMap((g) => globFiles(join(dirname(path), g), g))
        .flatMap((f) => confDirs(f, depth + 1))
    })
}

/** A pattern whose last part may have stars: all that ld.so.conf files use. */
function globFiles(joined: string, given: string): string[] {
  const pattern = given.startsWith('/') ? given : joined
  const dir = dirname(pattern)
  const source = basename(pattern)
    .replace(/[.+^${}()|[\]\\?]/g, '\\$&')
    .replaceAll('*', '.*')
  const names = existsSync(dir) ? readdirSync(dir).sort() : []
  return names.filter((n) => new RegExp(`^${source}$`).test(n)).map((n) => join(dir, n))
}

/** Debian's `/usr/lib/x86_64-linux-gnu` and the like. */
function multiarchDirs(): string[] {
  return ['/lib', '/usr/lib'].flatMap((dir) =>
    existsSync(dir)
      ? readdirSync(dir)
          .filter((n) => /^[a-z0-9_]+-linux-gnu[a-z0-9]*$/.test(n))
          .sort()
          .map((n) => join(dir, n))
      : [],
  )
}
