// Compiles src/rootless/native, one static executable, unless that is up to date:
//   node scripts/build-native.mjs [--force]           dist/tsbox-helper, for this machine
//   node scripts/build-native.mjs --for x64,arm64     dist/tsbox-helper-ARCH each, for a package
//   node scripts/build-native.mjs --sanitize DIR      with AddressSanitizer and UndefinedBehaviorSanitizer, into DIR
// musl makes it a fifth of the size, glibc does as well. CC names another compiler.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { accessSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
export const NATIVE = join(root, 'src/rootless/native')

/** None of these is given, by gcc or clang: test/rootless/compile.test.ts has them as errors. */
export const WARNINGS = [
  ...[
    '-std=c11',
    '-Wall',
    '-Wextra',
    '-Wshadow',
    '-Wconversion',
    '-Wno-sign-conversion',
    '-Wformat-security',
    '-Wundef',
  ],
  ...['-Wstrict-prototypes', '-Wmissing-prototypes', '-Wpointer-arith', '-Wwrite-strings'],
]
const STATIC = ['-static', '-Os', '-s', '-ffunction-sections', '-fdata-sections', '-Wl,--gc-sections']
const SANITIZED = ['-g', '-O1', '-fno-omit-frame-pointer', '-fsanitize=address,undefined', '-fno-sanitize-recover=all']
const MISSING = {
  own: `no C compiler that can link statically was found
  Debian, Ubuntu: sudo apt install gcc libc6-dev (and musl-tools for a smaller helper)
  Fedora:         sudo dnf install gcc glibc-static
  Alpine:         sudo apk add gcc musl-dev linux-headers`,
  x64: 'no C compiler for x64 was found: sudo apt install gcc-x86-64-linux-gnu libc6-dev-amd64-cross',
  arm64: 'no C compiler for arm64 was found: sudo apt install gcc-aarch64-linux-gnu libc6-dev-arm64-cross',
}
/** GNU's name of each architecture that Node has a name for. */
const GNU = { x64: 'x86_64', arm64: 'aarch64' }

/** What to call, in order of preference. */
function compilers(arch) {
  if (arch !== process.arch) return ['musl', 'gnu'].map((libc) => [`${GNU[arch]}-linux-${libc}-gcc`, []])
  // musl's wrapper needs to be told where the kernel's headers are.
  const multiarch = spawnSync('gcc', ['-print-multiarch'], { encoding: 'utf8' }).stdout?.trim()
  const headers = ['-idirafter', '/usr/include', ...(multiarch ? ['-idirafter', `/usr/include/${multiarch}`] : [])]
  const own = process.env.CC ? [[process.env.CC, []]] : []
  return [...own, ['musl-gcc', headers], ['gcc', []], ['cc', []]]
}

/** True when the compiler exists, knows the kernel's headers and links. */
function works([command, flags], link, scratch) {
  const probe = `${scratch}.probe`
  const args = [...flags, ...link, '-x', 'c', '-', '-o', probe]
  const run = spawnSync(command, args, { input: '#include <linux/seccomp.h>\nint main(void){return 0;}\n' })
  rmSync(probe, { force: true })
  return run.status === 0
}

const sourceNames = () =>
  readdirSync(NATIVE)
    .filter((n) => /\.[ch]$/.test(n))
    .sort()

/** The compiler of a static helper, and all that it is to be told. @throws where there is none */
export function staticCompiler(arch, scratch) {
  const compiler = compilers(arch).find((c) => works(c, STATIC, scratch))
  if (!compiler) throw new Error(arch === process.arch ? MISSING.own : MISSING[arch])
  return [compiler[0], [...STATIC, ...compiler[1]]]
}

/** What the executable is made of. */
function keyOf(arch, link) {
  const hash = createHash('sha256').update(readFileSync(fileURLToPath(import.meta.url)))
  for (const name of sourceNames()) hash.update(`${name}\0`).update(readFileSync(join(NATIVE, name)))
  return `${arch} ${link[0]} ${hash.digest('hex')}`
}

function isCurrent(out, key) {
  try {
    accessSync(out)
    return readFileSync(`${out}.key`, 'utf8') === key
  } catch {
    return false
  }
}

/**
 * Builds the helper where its sources changed since the last time.
 *
 * @param {{ force?: boolean, outdir?: string, arch?: string, name?: string, sanitize?: boolean, log?: (line: string) => void }} options
 *   `arch` as process.arch has it; one that is sanitized is linked dynamically, by gcc or clang with glibc
 * @returns path of the executable
 * @throws where no compiler can do it, or the code is refused
 */
export function buildNative(options = {}) {
  const { force = false, outdir = join(root, 'dist'), arch = process.arch, name = 'tsbox-helper' } = options
  const link = options.sanitize ? SANITIZED : STATIC
  const key = keyOf(arch, link)
  const out = join(outdir, name)
  if (!force && isCurrent(out, key)) return out
  mkdirSync(outdir, { recursive: true })
  const scratch = `${out}.${process.pid}`
  const known = options.sanitize ? ['gcc', 'clang'].map((c) => [c, []]) : compilers(arch)
  const compiler = known.find((c) => works(c, link, scratch))
  if (!compiler) throw new Error(arch === process.arch ? MISSING.own : MISSING[arch])
  const sources = sourceNames().filter((n) => n.endsWith('.c'))
  options.log?.(`${compiler[0]}: ${sources.length} files → ${out}`)
  const args = [...WARNINGS, ...link, ...compiler[1], '-o', scratch, ...sources.map((n) => join(NATIVE, n))]
  const run = spawnSync(compiler[0], args, { stdio: ['ignore', 'inherit', 'inherit'] })
  if (run.status !== 0) {
    rmSync(scratch, { force: true })
    throw new Error(`${compiler[0]} failed`)
  }
  renameSync(scratch, out)
  writeFileSync(`${out}.key`, key)
  return out
}

/** Helpers for a package, each beside the bundles as `tsbox-helper-ARCH`. @returns their names */
export function buildForPackage(archs, options = {}) {
  return archs.map((arch) => {
    if (!GNU[arch]) throw new Error(`the helper knows ${Object.keys(GNU).join(' and ')}, not "${arch}"`)
    buildNative({ ...options, arch, name: `tsbox-helper-${arch}` })
    return `tsbox-helper-${arch}`
  })
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const option = (flag) => (process.argv.includes(flag) ? process.argv[process.argv.indexOf(flag) + 1] : undefined)
  const common = { force: process.argv.includes('--force'), log: (line) => console.log(line) }
  const archs = option('--for')?.split(',')
  const sanitized = option('--sanitize')
  try {
    if (archs) buildForPackage(archs, common)
    else if (sanitized) buildNative({ ...common, sanitize: true, outdir: sanitized })
    else buildNative(common)
  } catch (err) {
    console.error(`build-native: ${err.message}`)
    process.exit(1)
  }
}
