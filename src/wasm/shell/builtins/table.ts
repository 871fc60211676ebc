import type { Builtin } from '../command.js'
import { flow } from './flow.js'
import { place } from './place.js'
import { echo, printf } from './printf.js'
import { test } from './test.js'
import { variables } from './variables.js'

/** Builtins of the shell by name. */
export const BUILTINS: Readonly<Record<string, Builtin>> = {
  ...flow,
  ...place,
  ...variables,
  '[': test,
  echo,
  printf,
  test,
}

/** Builtins that are found before functions, and whose failure ends the shell. @see POSIX.1-2017, XCU 2.14 */
export const SPECIAL: ReadonlySet<string> = new Set([
  ':',
  '.',
  'break',
  'continue',
  'eval',
  'exec',
  'exit',
  'export',
  'readonly',
  'return',
  'set',
  'shift',
  'times',
  'trap',
  'unset',
])
