import type { Shell } from '../shell.js'

/** Tells warnings of the engine as docker does. */
export function warnings(shell: Shell): (message: string) => void {
  return (message) => shell.stderr.write(`WARNING: ${message}\n`)
}
