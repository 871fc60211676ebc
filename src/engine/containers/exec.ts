import { TsboxError } from '../../base/error.js'
import type { ContainerRecord } from '../../container/record.js'
import { type ResolvedUser, resolveGroups, resolveUser } from '../../oci/user.js'
import type { Control } from '../../rootless/control.js'
import { HelperError } from '../../rootless/error.js'
import type { ProcessSpec } from '../../rootless/plan.js'
import type { ExecRequest } from '../api.js'
import { addEnvironment } from '../run/container-config.js'
import { decodeParts } from '../run/container-parts.js'
import { processSpec, startFailure, USER_FILES } from '../run/process.js'
import { settingsOf } from '../run/start-container.js'
import { terminalSize } from '../run/terminal.js'
import { joinStreams, outputOf } from './streams.js'

/** Every capability that a kernel may know: those that this one does not are left out where they are set. */
const ALL_CAPABILITIES = Array.from({ length: 64 }, (_, n) => n)

/**
 * Runs a process in a running container: with its namespaces, its root and the rights that its own process has.
 *
 * @returns docker's exit code; 0 for a detached one
 * @throws TsboxError with exit codes 126, 127
 */
export async function execIn(
  control: Control,
  record: ContainerRecord,
  request: ExecRequest,
  host: Readonly<Record<string, string | undefined>>,
  transparent: () => () => void,
): Promise<number> {
  const spec = await specOf(control, record, request, host)
  const { tty, detach } = request
  const stdin = request.interactive && !detach
  try {
    const start = () => control.spawn(spec, { tty, stdin, detached: detach }, outputOf(request.streams))
    if (detach) {
      await start()
      return 0
    }
    const exit = await joinStreams(start, { ...request.streams, stdin }, tty, transparent)
    if (exit === 'detached') return 0
    // The monitor was killed, and the container with it.
    return exit ? (exit.code ?? 128 + (exit.signal ?? 0)) : 137
  } catch (err) {
    throw failure(err, request.command)
  }
}

async function specOf(
  control: Control,
  record: ContainerRecord,
  request: ExecRequest,
  host: Readonly<Record<string, string | undefined>>,
): Promise<ProcessSpec> {
  const settings = settingsOf(record)
  const { isolation, rlimits, groupAdd } = decodeParts(settings.parts)
  const files = await control.files(USER_FILES)
  const text = (path: string) => new TextDecoder().decode(files.get(path) ?? new Uint8Array())
  const user = userOf(request.user ?? settings.user, text(USER_FILES[0]), text(USER_FILES[1]), groupAdd)
  const base = request.tty ? ['TERM=xterm', ...settings.env.filter((e) => !e.startsWith('TERM='))] : settings.env
  const size = request.tty ? terminalSize() : undefined
  return processSpec(
    {
      args: request.command,
      env: addEnvironment(base, request.env, host),
      cwd: request.workdir ?? settings.cwd,
      ...isolation?.process,
      rlimits,
      ...(request.privileged ? { capabilities: ALL_CAPABILITIES } : {}),
      ...(size ? { size } : {}),
    },
    user,
    record.mode,
    record.emulation,
  )
}

/** A user that is not there fails `exec` as any other wrong request, not as `run` fails. */
function userOf(user: string, passwd: string, group: string, groupAdd: readonly string[]): ResolvedUser {
  try {
    const found = resolveUser(user, passwd, group)
    return { ...found, groups: [...new Set([...found.groups, ...resolveGroups(groupAdd, group)])] }
  } catch (err) {
    if (!(err instanceof TsboxError)) throw err
    throw new TsboxError(err.code, err.message, { hint: err.hint, cause: err })
  }
}

function failure(err: unknown, args: readonly string[]): unknown {
  const known = startFailure(err, args)
  if (known) return known
  if (!(err instanceof HelperError) || err.stage !== 'chdir') return err
  return new TsboxError('E_EXEC_FAILED', `exec: chdir to "${err.detail}": no such folder in the container`, {
    exitCode: 126,
    cause: err,
  })
}
