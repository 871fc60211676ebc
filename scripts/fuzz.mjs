// Fuzzes what the helper decodes, with clang's libFuzzer, AddressSanitizer and UndefinedBehaviorSanitizer:
// `npm run fuzz [-- --seconds N] [--corpus FOLDER]`. What it finds is left in `found` beside that folder, and the exit code is 1.
// docs/development.md says more.
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import esbuild from 'esbuild'
import { nodeBundle, root } from './bundle.mjs'

const NATIVE = join(root, 'src/rootless/native')
const FUZZ = join(root, 'test/fuzz')
/** Not decoded by them, or executing what was decoded: processes, the emulation. */
const LEFT_OUT = /^(agent|main|worker|probe|init|task.*|step.*|emu.*)\.c$/
const FLAGS = ['-std=gnu11', '-g', '-O1', '-fno-omit-frame-pointer', '-I', NATIVE, '-I', FUZZ]
const SANITIZERS = ['-fsanitize=fuzzer,address,undefined', '-fno-sanitize-recover=undefined']

function clang(cwd, ...args) {
  const run = spawnSync('clang', [...FLAGS, ...SANITIZERS, ...args], { cwd, encoding: 'utf8' })
  if (run.error) throw new Error('clang is missing: sudo apt-get install clang libclang-rt-dev')
  if (run.status !== 0) throw new Error(`clang refused the fuzzer:\n${run.stderr}`)
}

/** Compiles the fuzzer in a folder of its own. @returns its path. @throws where there is no clang, or it refuses */
export function buildFuzzer(folder) {
  mkdirSync(folder)
  const helper = readdirSync(NATIVE).filter((n) => n.endsWith('.c') && !LEFT_OUT.test(n))
  // Without its calls some of its arguments are not used; what it is compiled with otherwise has no warning.
  clang(folder, '-w', '-include', join(FUZZ, 'calls.h'), '-c', ...helper.map((n) => join(NATIVE, n)))
  const own = readdirSync(FUZZ).filter((n) => n.endsWith('.c') && n !== 'replay.c')
  const objects = helper.map((n) => n.replace(/c$/, 'o'))
  clang(folder, '-Wall', '-Wextra', '-Werror', ...own.map((n) => join(FUZZ, n)), ...objects, '-o', 'fuzz')
  return join(folder, 'fuzz')
}

/** Writes the inputs that the fuzzer starts with. */
export function writeSeeds(folder, scratch) {
  const program = join(scratch, 'seeds.cjs')
  esbuild.buildSync({ ...nodeBundle, entryPoints: [join(FUZZ, 'seeds.ts')], outfile: program })
  const run = spawnSync(process.execPath, [program, folder], { encoding: 'utf8' })
  if (run.status !== 0) throw new Error(`seeds: ${run.stderr}`)
}

/**
 * Builds and runs the fuzzer.
 *
 * @param {{ seconds: number, corpus?: string, quiet?: boolean }} options `corpus` is kept, and grows
 * @returns {{ status: number, output: string }} output is only there when quiet
 */
export function fuzz({ seconds, corpus, quiet = false }) {
  const scratch = mkdtempSync(join(tmpdir(), 'tsbox-fuzz-'))
  const kept = corpus ?? join(scratch, 'corpus')
  const found = join(kept, '..', 'found')
  const seeds = join(scratch, 'seeds')
  try {
    mkdirSync(kept, { recursive: true })
    mkdirSync(found, { recursive: true })
    const program = buildFuzzer(join(scratch, 'build'))
    writeSeeds(seeds, scratch)
    const run = spawnSync(
      program,
      [
        ...[`-max_total_time=${seconds}`, '-max_len=4096', '-timeout=10', '-rss_limit_mb=2048', '-print_final_stats=1'],
        ...[
          '-use_value_profile=1',
          `-dict=${join(FUZZ, 'words.dict')}`,
          `-artifact_prefix=${found}/`,
          kept,
          seeds,
          join(FUZZ, 'found'),
        ],
      ],
      {
        encoding: 'utf8',
        maxBuffer: 1 << 30,
        stdio: ['ignore', quiet ? 'pipe' : 'inherit', quiet ? 'pipe' : 'inherit'],
        // Memory that is left at the end of a request is the process's, which ends.
        env: {
          ...process.env,
          ASAN_OPTIONS: 'detect_leaks=0:allocator_may_return_null=1:handle_abort=1:quarantine_size_mb=32',
        },
      },
    )
    return { status: run.status ?? 1, output: `${run.stdout ?? ''}${run.stderr ?? ''}` }
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const option = (name) => (process.argv.includes(name) ? process.argv[process.argv.indexOf(name) + 1] : undefined)
  try {
    process.exitCode = fuzz({ seconds: Number(option('--seconds') ?? 60), corpus: option('--corpus') }).status ? 1 : 0
  } catch (err) {
    console.error(`fuzz: ${err.message}`)
    process.exitCode = 1
  }
}
