import { TsboxError } from '../../base/error.js'
import { DEFAULT_CAPABILITIES } from '../capability.js'
import { DEFAULT_PROGRAMS } from './default-program.js'
import { MACHINES, type SeccompMachine } from './machine.js'

/**
 * Program of Docker's default profile for a set of capabilities. That of the default set is ready made; for any other it
 * is compiled.
 *
 * @param capabilities numbers, the container's bounding set
 * @throws TsboxError E_SECCOMP_MACHINE
 */
export async function defaultSeccomp(capabilities: readonly number[]): Promise<Uint8Array> {
  if (isDefault(capabilities)) return readyMade()
  const [{ compileSeccomp }, { defaultProfile }] = await Promise.all([
    import('./compile.js'),
    import('./default-profile.js'),
  ])
  return compileSeccomp(defaultProfile(machine(), capabilities))
}

/**
 * Program of a profile in Docker's JSON format.
 *
 * @param name what messages call it
 * @throws TsboxError E_SECCOMP_PROFILE, E_SECCOMP_MACHINE
 */
export async function customSeccomp(
  text: string,
  name: string,
  capabilities: readonly number[],
  kernel: string,
): Promise<Uint8Array> {
  const [{ compileSeccomp, SeccompTooLong }, { readDockerProfile }] = await Promise.all([
    import('./compile.js'),
    import('./docker-json.js'),
  ])
  const profile = readDockerProfile(text, name, { machine: machine(), capabilities, kernel })
  try {
    return compileSeccomp(profile)
  } catch (cause) {
    if (!(cause instanceof SeccompTooLong)) throw cause
    throw new TsboxError('E_SECCOMP_PROFILE', `seccomp profile: it has more rules than the kernel takes: "${name}"`, {
      exitCode: 125,
      cause,
      hint: 'merge rules of the same call',
    })
  }
}

/** That of Docker's default capabilities. @throws TsboxError E_SECCOMP_MACHINE */
export function readyMade(): Uint8Array {
  return Buffer.from(DEFAULT_PROGRAMS[machine()], 'base64')
}

function isDefault(capabilities: readonly number[]): boolean {
  return (
    capabilities.length === DEFAULT_CAPABILITIES.length && DEFAULT_CAPABILITIES.every((n) => capabilities.includes(n))
  )
}

function machine(): SeccompMachine {
  const found = MACHINES.find((m) => m === process.arch)
  if (found) return found
  throw new TsboxError('E_SECCOMP_MACHINE', `filter system calls: no table for this machine: "${process.arch}"`, {
    exitCode: 125,
    hint: '--security-opt seccomp=unconfined',
  })
}
