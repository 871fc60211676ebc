import { spawnSync } from 'node:child_process'
import type { TestContext } from 'node:test'

/**
 * True where a program is installed. Otherwise skips the test and says how to install it; with TSBOX_MUST_WORK=1 the
 * test fails instead.
 */
export function requireProgram(t: TestContext, program: string, packageName = program): boolean {
  const found = spawnSync('sh', ['-c', 'command -v "$0"', program]).status === 0
  if (found) return true
  const reason = `${program} is not installed: sudo apt-get install ${packageName}`
  if (process.env.TSBOX_MUST_WORK === '1') throw new Error(reason)
  t.skip(reason)
  return false
}

/** Runs a program to its end. @throws where it fails, with what it said */
export function runProgram(
  program: string,
  args: readonly string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
): string {
  const run = spawnSync(program, args, { encoding: 'utf8', maxBuffer: 1 << 28, ...options })
  if (run.error) throw run.error
  if (run.status !== 0) throw new Error(`${program} ${args.join(' ')} ended with ${run.status}: ${run.stderr}`)
  return run.stdout
}
