import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { type Cli, REPO, TSBOX } from './cli.js'

/** What is done at a terminal; a wait looks at what was printed since the last one. */
export type Action = ['wait', pattern: string] | ['send', text: string] | ['size', columns: number, rows: number]

/** A command that was run in a terminal. */
export interface Session {
  /** 128 and its number for a signal; null where it did not end in time. */
  code: number | null
  output: string
  /** Actions whose turn never came. */
  left: Action[]
  /** Whether the terminal's settings are what they were. */
  restored: boolean
}

/** Runs tsbox in a terminal of its own (80 by 24); needs python3. */
export function inTerminal(cli: Cli, args: readonly string[], actions: readonly Action[]): Session {
  const driver = join(REPO, 'test/helpers/pty-driver.py')
  const run = spawnSync('python3', [driver, JSON.stringify(actions), TSBOX, ...args], {
    encoding: 'utf8',
    cwd: cli.dir,
    // Whatever the tests themselves run in.
    env: { ...cli.env, TERM: 'xterm' },
  })
  if (run.stdout === '') throw new Error(run.stderr)
  return JSON.parse(run.stdout) as Session
}
