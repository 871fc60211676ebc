import { HelperError } from '../../rootless/error.js'
import { idCandidates } from '../../rootless/id-map.js'
import { runUnshared } from '../../rootless/unshare.js'
import type { UnshareRequest } from '../api.js'
import { helperPath } from '../helper.js'
import { exitCodeOf } from '../run/run-container.js'

/**
 * Runs a program inside the first id mapping that this machine grants.
 *
 * @returns its exit code, docker's for a signal
 * @throws TsboxError E_NO_HELPER, HelperError
 */
export async function unshare(
  env: Readonly<Record<string, string | undefined>>,
  { command, userns }: UnshareRequest,
): Promise<number> {
  const argv = command.length ? command : [env.SHELL || '/bin/sh']
  let failure: unknown
  for (const { mode, maps } of idCandidates(env)) {
    if (userns !== 'auto' && userns !== mode) continue
    try {
      return exitCodeOf(await runUnshared({ helperPath: helperPath(env), maps }, argv))
    } catch (err) {
      if (!(err instanceof HelperError)) throw err
      failure ??= err
    }
  }
  throw failure ?? new HelperError('newidmap', 'ENOENT', 'no subordinate ids')
}
