import { TsboxError } from '../../base/error.js'
import type { ContainerConfig } from '../../oci/config.js'
import type { RunRequest } from '../api.js'

/** What of the image and of the request makes the process. */
export interface ResolvedProcess {
  args: string[]
  /** The two parts of `args`. */
  entrypoint: string[]
  command: string[]
  env: string[]
  cwd: string
  user: string
}

/**
 * Docker's rules for what runs: `--entrypoint` replaces the image's and drops its command; a command given replaces the
 * image's.
 *
 * @throws TsboxError E_NO_COMMAND, exit code 125
 */
export function resolveProcess(
  image: ContainerConfig,
  request: RunRequest,
  hostname: string,
  env: Readonly<Record<string, string | undefined>>,
): ResolvedProcess {
  const overridden = request.entrypoint !== undefined
  const entrypoint = overridden ? (request.entrypoint === '' ? [] : [request.entrypoint!]) : (image.Entrypoint ?? [])
  const command = request.command.length || overridden ? [...request.command] : (image.Cmd ?? [])
  const args = [...entrypoint, ...command]
  if (args.length === 0)
    throw new TsboxError('E_NO_COMMAND', 'no command specified: the image has neither CMD nor ENTRYPOINT', {
      exitCode: 125,
      hint: `tsbox run ${request.image} COMMAND`,
    })
  return {
    args,
    entrypoint,
    command,
    env: environment(image.Env ?? [], request, hostname, env),
    cwd: request.workdir || image.WorkingDir || '/',
    user: request.user ?? image.User ?? '',
  }
}

/** In Docker's order: PATH and HOSTNAME, TERM, the image's, the request's; a later one replaces an earlier one. */
function environment(
  image: readonly string[],
  request: RunRequest,
  hostname: string,
  host: Readonly<Record<string, string | undefined>>,
): string[] {
  const out = new Map<string, string>([
    ['PATH', '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
    ['HOSTNAME', hostname],
  ])
  if (request.tty) out.set('TERM', 'xterm')
  for (const line of image) {
    const eq = line.indexOf('=')
    out.set(eq < 0 ? line : line.slice(0, eq), eq < 0 ? '' : line.slice(eq + 1))
  }
  return addEnvironment(
    [...out].map(([k, v]) => `${k}=${v}`),
    request.env,
    host,
  )
}

/** An environment and what is asked for beside it: `K=V`, or `K` to pass it on; a later one replaces an earlier one. */
export function addEnvironment(
  base: readonly string[],
  more: readonly string[],
  host: Readonly<Record<string, string | undefined>>,
): string[] {
  const out = new Map(base.map((e) => [e.slice(0, e.indexOf('=')), e.slice(e.indexOf('=') + 1)]))
  for (const line of more) {
    const eq = line.indexOf('=')
    const key = eq < 0 ? line : line.slice(0, eq)
    const value = eq < 0 ? host[key] : line.slice(eq + 1)
    // `-e KEY` of a variable that is not set takes the image's away.
    if (value === undefined) out.delete(key)
    else out.set(key, value)
  }
  return [...out].map(([k, v]) => `${k}=${v}`)
}
