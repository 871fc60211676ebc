import type { StreamRequest } from '../../engine/api.js'
import type { Shell } from '../shell.js'

/** Streams of this process, for a container's. */
export function streamRequest(
  shell: Shell,
  options: { stdin: boolean; sigProxy: boolean; detachKeys?: string | undefined },
): StreamRequest {
  return {
    ...options,
    stdout: (chunk) => shell.stdout.write(chunk),
    stderr: (chunk) => shell.stderr.write(chunk),
    input: () => shell.stdin.stream(),
  }
}
