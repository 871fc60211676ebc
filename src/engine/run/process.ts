import { TsboxError } from '../../base/error.js'
import { type ResolvedUser, resolveGroups, resolveUser } from '../../oci/user.js'
import type { Step } from '../../rootless/agent.js'
import { DEFAULT_CAPABILITIES } from '../../rootless/capability.js'
import { HelperError } from '../../rootless/error.js'
import type { IdEmulation, IdMode, ProcessSpec } from '../../rootless/plan.js'
import { readyMade } from '../../rootless/seccomp/program.js'

/** Said where no PID namespace can be made. @see docs/doctor.md */
export const SHARED_PIDS = 'the processes around tsbox are shared: no PID namespace can be made, see tsbox doctor'

/** Files that a step hands back so that its user can be looked up. */
export const USER_FILES = ['/etc/passwd', '/etc/group'] as const

/** Said where something above listens to system calls already, or the kernel can't. @see docs/single-id.md */
export const IDS_FAKED = "ids are only pretended, no seccomp listener can be had here: every file will be root's"

/** Who a container's process runs as, by the files of its own root, with more groups if wanted. */
export function userOf(step: Step, user: string, groupAdd: readonly string[] = []): ResolvedUser {
  const text = (path: string) => new TextDecoder().decode(step.files.get(path) ?? new Uint8Array())
  const found = resolveUser(user, text(USER_FILES[0]), text(USER_FILES[1]))
  const added = resolveGroups(groupAdd, text(USER_FILES[1]))
  return { ...found, groups: [...new Set([...found.groups, ...added])] }
}

/**
 * The process of a step or a container, ready to execute: with Docker's default capabilities and system calls where the
 * fields do not say otherwise.
 */
export function processSpec(
  fields: { args: readonly string[]; env: readonly string[]; cwd: string } & Partial<ProcessSpec>,
  user: ResolvedUser,
  mode: IdMode,
  emulation: IdEmulation | undefined,
): ProcessSpec {
  const env = fields.env.some((e) => e.startsWith('HOME=')) ? fields.env : [...fields.env, `HOME=${user.home}`]
  return {
    noNewPrivileges: false,
    capabilities: DEFAULT_CAPABILITIES,
    ...fields,
    // The usual filter lets no call about keys through; each keyring takes of a user's quota, which is small.
    ownKeyring: 'seccomp' in fields,
    seccomp: 'seccomp' in fields ? fields.seccomp : readyMade(),
    env,
    uid: user.uid,
    gid: user.gid,
    groups: user.groups,
    emulate: mode === 'single' && (emulation ?? true),
  }
}

/**
 * Docker's exit code and words for a process that could not start.
 *
 * @returns an error with exit code 127 (not found), 126 (not executable) or undefined for any other failure
 */
export function startFailure(err: unknown, args: readonly string[]): TsboxError | undefined {
  if (!(err instanceof HelperError) || err.stage !== 'exec') return undefined
  const program = args[0] ?? ''
  if (err.errno === 'ENOENT') {
    const what = program.includes('/') ? 'no such file or directory' : 'executable file not found in $PATH'
    return new TsboxError('E_EXEC_NOT_FOUND', `exec: "${program}": ${what}`, { exitCode: 127, cause: err })
  }
  const why = err.errno === 'EACCES' ? 'permission denied' : err.errno === 'ENOEXEC' ? 'exec format error' : err.errno
  return new TsboxError('E_EXEC_FAILED', `exec: "${program}": ${why}`, { exitCode: 126, cause: err })
}
