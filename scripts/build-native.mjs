// Compiles src/rootless/native into dist/tsbox-helper, one static executable, unless that is up to date:
// `node scripts/build-native.mjs [--force]`. musl makes it a fifth of the size, glibc does as well.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { accessSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const FLAGS = ['-std=c11', '-static', '-Os', '-Wall', '-Wextra', '-Werror', '-Wshadow', '-s']
const SECTIONS = ['-ffunction-sections', '-fdata-sections', '-Wl,--gc-sections']
const MISSING = `no C compiler that can link statically was found
  Debian, Ubuntu: sudo apt install gcc libc6-dev (and musl-tools for a smaller helper)
  Fedora:         sudo dnf install gcc glibc-static
  Alpine:         sudo apk add gcc musl-dev linux-headers`

/** What to call, in order of preference: musl's wrapper needs to be told where the kernel's headers are. */
function compilers() {
  const multiarch = spawnSync('gcc', ['-print-multiarch'], { encoding: 'utf8' }).stdout?.trim()
  const headers = ['-idirafter', '/usr/include', ...(multiarch ? ['-idirafter', `/usr/include/${multiarch}`] : [])]
  const own = process.env.CC ? [[process.env.CC, []]] : []
  return [...own, ['musl-gcc', headers], ['gcc', []], ['cc', []]]
}

/** True when the compiler exists, knows the kernel's headers and links statically. */
function works([command, flags], scratch) {
  const probe = `${scratch}.probe`
  const args = [...flags, '-static', '-x', 'c', '-', '-o', probe]
  const run = spawnSync(command, args, { input: '#include <linux/seccomp.h>\nint main(void){return 0;}\n' })
  rmSync(probe, { force: true })
  return run.status === 0
}

/**
 * Builds the helper where its sources changed since the last time.
 *
 * @returns path of the executable
 */
export function buildNative({ force = false, outdir = join(root, 'dist'), log = (_line) => {} } = {}) {
  const dir = join(root, 'src/rootless/native')
  const names = readdirSync(dir)
    .filter((n) => /\.[ch]$/.test(n))
    .sort()
  const hash = createHash('sha256').update(readFileSync(fileURLToPath(import.meta.url)))
  for (const name of names) hash.update(`${name}\0`).update(readFileSync(join(dir, name)))
  const key = `${process.arch} ${hash.digest('hex')}`
  const out = join(outdir, 'tsbox-helper')
  if (!force && isCurrent(out, key)) return out
  mkdirSync(outdir, { recursive: true })
  const scratch = `${out}.${process.pid}`
  const compiler = compilers().find((c) => works(c, scratch))
  if (!compiler) throw new Error(MISSING)
  const sources = names.filter((n) => n.endsWith('.c')).map((n) => join(dir, n))
  log(`${compiler[0]}: ${sources.length} files → ${out}`)
  const args = [...FLAGS, ...SECTIONS, ...compiler[1], '-o', scratch, ...sources]
  const run = spawnSync(compiler[0], args, { stdio: ['ignore', 'inherit', 'inherit'] })
  if (run.status !== 0) {
    rmSync(scratch, { force: true })
    throw new Error(`${compiler[0]} failed`)
  }
  renameSync(scratch, out)
  writeFileSync(`${out}.key`, key)
  return out
}

function isCurrent(out, key) {
  try {
    accessSync(out)
    return readFileSync(`${out}.key`, 'utf8') === key
  } catch {
    return false
  }
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  try {
    buildNative({ force: process.argv.includes('--force'), log: (line) => console.log(line) })
  } catch (err) {
    console.error(`build-native: ${err.message}`)
    process.exit(1)
  }
}
