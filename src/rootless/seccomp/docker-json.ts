import { TsboxError } from '../../base/error.js'
import { CAPABILITIES } from '../capability.js'
import { FieldReader } from './json-fields.js'
import type { SeccompMachine } from './machine.js'
import {
  ACTION,
  type ArgumentTest,
  type Comparison,
  ENOSYS,
  EPERM,
  type SeccompProfile,
  type SeccompRule,
} from './profile.js'
import { MACHINE_ABIS, type SyscallAbi } from './syscall-numbers.js'

/** What a profile's conditions are about. */
export interface SeccompPlace {
  machine: SeccompMachine
  /** Numbers: the container's bounding set. */
  capabilities: readonly number[]
  /** As `uname -r` tells it. */
  kernel: string
}

const ARCHITECTURES: ReadonlyMap<string, SyscallAbi> = new Map(
  Object.entries({
    SCMP_ARCH_X86_64: 'x86_64',
    SCMP_ARCH_X86: 'i386',
    SCMP_ARCH_X32: 'x32',
    SCMP_ARCH_AARCH64: 'aarch64',
    SCMP_ARCH_ARM: 'arm',
  }),
)
const COMPARISONS: ReadonlyMap<string, Comparison> = new Map(
  Object.entries({
    SCMP_CMP_NE: 'ne',
    SCMP_CMP_LT: 'lt',
    SCMP_CMP_LE: 'le',
    SCMP_CMP_EQ: 'eq',
    SCMP_CMP_GE: 'ge',
    SCMP_CMP_GT: 'gt',
    SCMP_CMP_MASKED_EQ: 'masked-eq',
  }),
)
const FIXED_ACTIONS: ReadonlyMap<string, number> = new Map(
  Object.entries({
    SCMP_ACT_KILL: ACTION.killThread,
    SCMP_ACT_KILL_THREAD: ACTION.killThread,
    SCMP_ACT_KILL_PROCESS: ACTION.killProcess,
    SCMP_ACT_TRAP: ACTION.trap,
    SCMP_ACT_ALLOW: ACTION.allow,
    SCMP_ACT_LOG: ACTION.log,
  }),
)
/** Actions after which a program goes on as if nothing were. */
const PERMISSIVE = ['SCMP_ACT_ALLOW', 'SCMP_ACT_LOG', 'SCMP_ACT_TRACE']
/** What Docker calls machines. */
const GO_MACHINE: Readonly<Record<SeccompMachine, string>> = { x64: 'amd64', arm64: 'arm64' }
const ERRNO_MAX = 4095

/**
 * Reads a seccomp profile in Docker's JSON format. Names of calls that no table has are passed over, as Docker does.
 *
 * @param name what messages call it
 * @throws TsboxError E_SECCOMP_PROFILE, exit code 125, with the place in the file
 * @see https://docs.docker.com/engine/security/seccomp/
 */
export function readDockerProfile(text: string, name: string, place: SeccompPlace): SeccompProfile {
  const json = new FieldReader(parse(text, name), name, '')
  const defaultName = json.text('defaultAction')
  const defaultErrno = json.optionalInteger('defaultErrnoRet', ERRNO_MAX)
  const defaultAction = actionOf(json, 'defaultAction', defaultErrno)
  const patched = !PERMISSIVE.includes(defaultName) && defaultErrno !== ENOSYS
  return {
    defaultAction,
    ...(patched ? { unknownAction: ACTION.errno(ENOSYS) } : {}),
    abis: abisOf(json, place.machine),
    rules: json.objects('syscalls').flatMap((s) => (applies(s, place) ? rulesOf(s) : [])),
  }
}

/** Numbers above 2^53 keep their value: as text, which is what they are read from. */
function parse(text: string, name: string): unknown {
  try {
    return JSON.parse(text.replace(/("value(?:Two)?"\s*:\s*)(\d{16,})/g, '$1"$2"'))
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new TsboxError('E_SECCOMP_PROFILE', `seccomp profile: it is no JSON: "${name}": ${why}`, {
      exitCode: 125,
      cause,
      hint: "give a profile in docker's format, or --security-opt seccomp=unconfined",
    })
  }
}

function abisOf(json: FieldReader, machine: SeccompMachine): SyscallAbi[] {
  const native = MACHINE_ABIS[machine][0]
  const listed = json.texts('architectures')
  const mapped = json.objects('archMap').map((m) => ({
    architecture: m.text('architecture'),
    sub: m.texts('subArchitectures'),
  }))
  if (listed.length && mapped.length) throw json.wrong('architectures', "it can't be used together with archMap")
  const own = mapped.find((m) => ARCHITECTURES.get(m.architecture) === native)
  const names = own ? own.sub : listed
  const wanted = new Set<SyscallAbi>([native])
  for (const n of names) {
    const abi = ARCHITECTURES.get(n)
    if (abi) wanted.add(abi)
  }
  return MACHINE_ABIS[machine].filter((abi) => wanted.has(abi))
}

/** Whether a rule's `includes` and `excludes` let it count here. */
function applies(rule: FieldReader, place: SeccompPlace): boolean {
  const arch = GO_MACHINE[place.machine]
  const has = (cap: string) => place.capabilities.includes(CAPABILITIES.indexOf(cap.replace(/^CAP_/, '')))
  const excludes = rule.optionalObject('excludes')
  const includes = rule.optionalObject('includes')
  if (excludes) {
    if (excludes.texts('arches').includes(arch) || excludes.texts('caps').some(has)) return false
    const kernel = excludes.optionalText('minKernel')
    if (kernel !== undefined && atLeast(place.kernel, kernel)) return false
  }
  if (!includes) return true
  const arches = includes.texts('arches')
  if (arches.length && !arches.includes(arch)) return false
  if (!includes.texts('caps').every(has)) return false
  const kernel = includes.optionalText('minKernel')
  return kernel === undefined || atLeast(place.kernel, kernel)
}

function atLeast(kernel: string, wanted: string): boolean {
  const [major = 0, minor = 0] = kernel.split('.').map((n) => Number.parseInt(n, 10))
  const [wantedMajor = 0, wantedMinor = 0] = wanted.split('.').map((n) => Number.parseInt(n, 10))
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor)
}

function rulesOf(rule: FieldReader): SeccompRule[] {
  const single = rule.optionalText('name')
  const names = single === undefined ? rule.texts('names') : [single]
  if (single !== undefined && rule.texts('names').length)
    throw rule.wrong('name', "it can't be used together with names")
  const action = actionOf(rule, 'action', rule.optionalInteger('errnoRet', ERRNO_MAX))
  const tests = rule.objects('args').map(testOf)
  const twice = tests.some((t, i) => tests.findIndex((o) => o.index === t.index) < i)
  // Two tests of one argument are alternatives, as runc has it; of different ones, all must hold.
  return twice ? tests.map((t) => ({ names, action, tests: [t] })) : [{ names, action, tests }]
}

function testOf(arg: FieldReader): ArgumentTest {
  const op = COMPARISONS.get(arg.text('op'))
  if (!op) throw arg.wrong('op', `it is not known: "${arg.text('op')}"`)
  const index = arg.integer('index', 5)
  const value = arg.big('value')
  if (op !== 'masked-eq') return { index, op, value }
  return { index, op, mask: value, value: arg.big('valueTwo') }
}

function actionOf(json: FieldReader, field: string, errno: number | undefined): number {
  const name = json.text(field)
  if (name === 'SCMP_ACT_ERRNO') return ACTION.errno(errno ?? EPERM)
  if (name === 'SCMP_ACT_TRACE') return ACTION.trace(errno ?? EPERM)
  if (name === 'SCMP_ACT_NOTIFY') throw json.wrong(field, 'tsbox has no listener for SCMP_ACT_NOTIFY')
  const action = FIXED_ACTIONS.get(name)
  if (action === undefined) throw json.wrong(field, `it is not known: "${name}"`)
  return action
}
