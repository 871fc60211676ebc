import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'

const NATIVE = join(process.env.TSBOX_REPO ?? process.cwd(), 'src/rootless/native')

/** Programs that this process compiled already, by what they are made of. */
const compiled = new Map<string, string>()
let cache: string | undefined

function cacheDir(): string {
  if (cache) return cache
  const dir = mkdtempSync(join(tmpdir(), 'tsbox-native-'))
  process.on('exit', () => rmSync(dir, { recursive: true, force: true }))
  cache = dir
  return dir
}

/**
 * Compiles C files of `src/rootless/native` to `out`.
 *
 * @returns false, with the test skipped, where no compiler can do it; with TSBOX_MUST_WORK=1 that is a failure
 * @throws where the compiler refuses the code
 */
export function compileNative(
  t: TestContext,
  out: string,
  sources: readonly string[],
  flags: readonly string[],
): boolean {
  const key = [...flags, ...sources].join(' ')
  const known = compiled.get(key)
  const program = known ?? join(cacheDir(), String(compiled.size))
  if (!known) {
    const probe = spawnSync('gcc', [...flags, '-x', 'c', '-', '-o', program], { input: 'int main(void){return 0;}' })
    if (probe.status !== 0) {
      const reason = `gcc ${flags.join(' ')} does not work: sudo apt-get install gcc libc6-dev`
      if (process.env.TSBOX_MUST_WORK === '1') throw new Error(reason)
      t.skip(reason)
      return false
    }
    const args = ['-std=c11', '-Wall', '-Wextra', '-Werror', '-Wshadow', '-pthread', ...flags, '-o', program]
    const run = spawnSync('gcc', [...args, ...sources.map((s) => join(NATIVE, s))], { encoding: 'utf8' })
    if (run.status !== 0) throw new Error(run.stderr)
    compiled.set(key, program)
  }
  copyFileSync(program, out)
  return true
}

/** What a program asks of the emulation: see the file itself. */
export const PROBE_SOURCES = ['probe', 'probe-ids', 'probe-files', 'probe-hard', 'probe-hostile'].map(
  (n) => `test/emu-${n}.c`,
)

/** The emulation alone, with a small init around it. */
export const RUNNER_SOURCES = [
  'test/emu-run.c',
  'emulate.c',
  ...[
    'caller',
    'chown',
    'create',
    'cred',
    'exec',
    'filter',
    'foreign',
    'ids',
    'owner',
    'pid',
    'save',
    'stat',
    'table',
    'target',
  ].map((n) => `emu-${n}.c`),
  'owners.c',
  'util.c',
]

/** A line that `emu-probe` says about a case. */
export interface ProbeLine {
  name: string
  ok: boolean
  detail: string
}

export function probeLines(stdout: string): ProbeLine[] {
  return stdout.split('\n').flatMap((line) => {
    const found = /^(not )?ok ([^:]*)(?:: (.*))?$/.exec(line)
    return found ? [{ name: found[2]!, ok: !found[1], detail: found[3] ?? '' }] : []
  })
}
