import { TsboxError } from '../base/error.js'
import type { HelperError } from './error.js'
import type { Surroundings } from './surroundings.js'

/** Why this user gets no user namespace, in words, and what lifts it. */
export interface Refusal {
  /** Who refuses it. */
  by: 'seccomp' | 'apparmor' | 'sysctl' | 'limit' | 'unknown'
  /** What refuses it, as the end of a sentence: `… refuses it`. */
  reason: string
  /** Commands or settings, the best one first; may have several lines. */
  mend: string
}

/** What refuses it, in words; docs/doctor.md has each, with what to do about it. */
export const REFUSAL_REASONS = {
  zero: '{LIMIT} is 0',
  many: 'there are too many, or too many in each other ({LIMIT}={VALUE})',
  debian: 'kernel.unprivileged_userns_clone is 0',
  seccomp: 'the seccomp profile of this {PLACE} refuses it',
  chroot: 'the kernel refuses it, as in a chroot, or without CONFIG_USER_NS',
  profile: 'the AppArmor profile "{PROFILE}" refuses it',
  restricted:
    'AppArmor restricts the user namespaces of ordinary users (kernel.apparmor_restrict_unprivileged_userns is 1)',
  module:
    'a security module takes them, as AppArmor does in Ubuntu 23.10 and later (kernel.apparmor_restrict_unprivileged_userns)',
  powerless: 'it was made, but has no powers: {WHY}',
} as const

function say(reason: keyof typeof REFUSAL_REASONS, values: Readonly<Record<string, string>> = {}): string {
  return REFUSAL_REASONS[reason].replace(/\{([A-Z]+)\}/g, (_, name: string) => values[name.toLowerCase()] ?? '')
}

/** What still works then. */
export const WITHOUT_NAMESPACES =
  'without it, build steps still run that are shell commands or WebAssembly: --backend wasi (docs/wasi.md)'

const RESTRICT = 'kernel.apparmor_restrict_unprivileged_userns'
const DEBIAN = 'kernel.unprivileged_userns_clone'
const LIMIT = 'user.max_user_namespaces'

/** Stages of the helper in which a namespace is refused, or turns out to be one without powers. */
const MAKING = 'user namespace'
const USING = ['write id map', 'become root', 'setgroups', 'mount propagation']

/**
 * Who refused the user namespace; undefined where the failure is about something else.
 *
 * @param helperPath absolute; a profile is written for it
 */
export function explainRefusal(failure: HelperError, around: Surroundings, helperPath: string): Refusal | undefined {
  const { stage, errno } = failure
  if (stage === MAKING && (errno === 'ENOSPC' || errno === 'EUSERS')) return limitReached(around)
  if (!['EPERM', 'EACCES', 'ENOSYS', 'EINVAL'].includes(errno)) return undefined
  if (stage === MAKING) return notMade(around, helperPath)
  return USING.includes(stage) ? powerless(around, helperPath) : undefined
}

function limitReached(around: Surroundings): Refusal {
  const value = around.sysctl(LIMIT)
  const reason = say(value === '0' ? 'zero' : 'many', { limit: LIMIT, value: value ?? '?' })
  return { by: 'limit', reason, mend: `sudo sysctl -w ${LIMIT}=15000` }
}

function notMade(around: Surroundings, helperPath: string): Refusal {
  if (around.sysctl(DEBIAN) === '0') return { by: 'sysctl', reason: say('debian'), mend: `sudo sysctl -w ${DEBIAN}=1` }
  if (around.seccomp)
    return { by: 'seccomp', reason: say('seccomp', { place: placeOf(around) }), mend: noSeccomp(around) }
  if (around.sysctl(RESTRICT) === '1' || around.appArmorProfile) return byAppArmor(around, helperPath)
  const mend = 'start tsbox outside of the chroot or sandbox, on a kernel with user namespaces'
  return { by: 'unknown', reason: say('chroot'), mend }
}

/** Ubuntu lets the namespace be made, and gives its root no capability. */
function powerless(around: Surroundings, helperPath: string): Refusal {
  const refusal = byAppArmor(around, helperPath)
  return { ...refusal, reason: say('powerless', { why: refusal.reason }) }
}

function byAppArmor(around: Surroundings, helperPath: string): Refusal {
  const { appArmorProfile: profile, container } = around
  const known = around.sysctl(RESTRICT) === '1'
  if (profile && !known && container)
    return {
      by: 'apparmor',
      reason: say('profile', { profile }),
      mend: 'start the container with --security-opt apparmor=unconfined (docker, podman), or securityContext.appArmorProfile.type: Unconfined (Kubernetes)',
    }
  return { by: 'apparmor', reason: say(known ? 'restricted' : 'module'), mend: profileHint(helperPath) }
}

function placeOf({ container }: Surroundings): string {
  return container && container !== 'container' ? `${container} container` : 'container or sandbox'
}

function noSeccomp({ container }: Surroundings): string {
  const docker =
    'start the container with --security-opt seccomp=unconfined (or a profile that allows unshare and clone)'
  const kubernetes =
    "set the pod's securityContext.seccompProfile.type: Unconfined (or a Localhost profile that allows it)"
  if (container === 'kubernetes') return kubernetes
  return container === 'docker' || container === 'podman' ? docker : `${docker}; in Kubernetes ${kubernetes}`
}

/** A profile that gives only the helper what it needs. @see apparmor.d(5), "userns" */
export function appArmorProfile(helperPath: string): string {
  const quoted = helperPath.replace(/[\\"*?[\]{}^@$]/g, '\\$&')
  return `abi <abi/4.0>,
include <tunables/global>
profile tsbox-helper "${quoted}" flags=(unconfined) {
  userns,
  include if exists <local/tsbox-helper>
}`
}

function profileHint(helperPath: string): string {
  return `let the helper of tsbox have them:
sudo tee /etc/apparmor.d/tsbox-helper <<'END'
${appArmorProfile(helperPath)}
END
sudo apparmor_parser -r /etc/apparmor.d/tsbox-helper
or everybody: sudo sysctl -w ${RESTRICT}=0`
}

/** What a command that needs a namespace ends with. */
export function refusalError(failure: HelperError, refusal: Refusal): TsboxError {
  return new TsboxError('E_NO_USERNS', `make a user namespace: ${refusal.reason}: ${failure.errno}`, {
    hint: `${refusal.mend}\n${WITHOUT_NAMESPACES}`,
    exitCode: 125,
    cause: failure,
  })
}
