import { readFileSync } from 'node:fs'
import { release } from 'node:os'
import { resolve } from 'node:path'
import { TsboxError } from '../../../base/error.js'
import { cleanPath } from '../../../base/path.js'
import { ALL_CAPABILITIES, capabilitySet } from '../../../rootless/capability.js'
import { maskedPaths, READONLY } from '../../../rootless/container-spec.js'
import { customSeccomp, defaultSeccomp } from '../../../rootless/seccomp/program.js'
import type { RunIsolation } from './request.js'

/** What a process may do, and what of its container it sees. */
export interface Security {
  /** Numbers. */
  capabilities: readonly number[]
  noNewPrivileges: boolean
  /** Undefined: every call. */
  seccomp: Uint8Array | undefined
  masked: readonly string[]
  readonlyPaths: readonly string[]
  sysWritable: boolean
}

/** `--security-opt`, read. */
interface Options {
  noNewPrivileges: boolean
  /** `unconfined`, a file, or undefined for the default profile. */
  seccomp: string | undefined
  mask: string[]
  unmask: string[]
}

/** @throws TsboxError E_CAPABILITY, E_SECURITY_OPT, E_SECCOMP_PROFILE, exit code 125 */
export async function resolveSecurity(request: RunIsolation, cwd: string): Promise<Security> {
  const options = readOptions(request.securityOpts ?? [])
  const privileged = request.privileged === true
  const capabilities = privileged ? ALL_CAPABILITIES : capabilitySet(request.capAdd ?? [], request.capDrop ?? [])
  return {
    capabilities,
    noNewPrivileges: options.noNewPrivileges,
    seccomp: await seccompOf(options.seccomp ?? (privileged ? 'unconfined' : undefined), capabilities, cwd),
    masked: [...without(privileged ? [] : maskedPaths(), options.unmask), ...options.mask],
    readonlyPaths: without(privileged ? [] : READONLY, options.unmask),
    sysWritable: privileged,
  }
}

async function seccompOf(profile: string | undefined, capabilities: readonly number[], cwd: string) {
  if (profile === undefined || profile === 'builtin') return await defaultSeccomp(capabilities)
  if (profile === 'unconfined') return undefined
  return await customSeccomp(readProfile(resolve(cwd, profile), profile), profile, capabilities, release())
}

function readProfile(path: string, given: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    throw new TsboxError('E_SECCOMP_PROFILE', `seccomp profile: it can't be read: "${given}"`, {
      exitCode: 125,
      cause,
      hint: 'give a file that you may read, or --security-opt seccomp=unconfined',
    })
  }
}

function readOptions(given: readonly string[]): Options {
  const out: Options = { noNewPrivileges: false, seccomp: undefined, mask: [], unmask: [] }
  for (const text of given) {
    const at = text.search(/[=:]/)
    const key = at < 0 ? text : text.slice(0, at)
    const value = at < 0 ? undefined : text.slice(at + 1)
    if (key === 'no-new-privileges') out.noNewPrivileges = booleanOf(text, value ?? 'true')
    else if (!value) throw wrong(text, 'it is not KEY=VALUE')
    else if (key === 'seccomp') out.seccomp = value
    else if (key === 'mask') out.mask.push(...pathsOf(text, value))
    else if (key === 'unmask') out.unmask.push(...(value === 'ALL' ? ['ALL'] : pathsOf(text, value)))
    else if (key === 'systempaths' && value === 'unconfined') out.unmask.push('ALL')
    else checkModule(text, key, value)
  }
  return out
}

/** Security modules: to be without one is what a container without root is. */
function checkModule(text: string, key: string, value: string): void {
  if (key === 'apparmor' && value === 'unconfined') return
  if (key === 'label' && value === 'disable') return
  if (key === 'apparmor')
    throw wrong(text, 'only root can load AppArmor profiles, and tsbox has none', `${key}=unconfined`)
  if (key === 'label') throw wrong(text, 'labels of SELinux are given by root', `${key}=disable`)
  throw wrong(text, `it is not known: "${key}"`)
}

function booleanOf(text: string, value: string): boolean {
  if (/^(1|t|true)$/i.test(value)) return true
  if (/^(0|f|false)$/i.test(value)) return false
  throw wrong(text, `it is neither true nor false: "${value}"`)
}

function pathsOf(text: string, value: string): string[] {
  const paths = value.split(':')
  for (const path of paths)
    if (!path.startsWith('/') || cleanPath(path) === '/') throw wrong(text, `no path to hide: "${path}"`)
  return paths.map(cleanPath)
}

/** `*` in a path stands for anything but a slash. */
function without(paths: readonly string[], unmask: readonly string[]): string[] {
  if (unmask.includes('ALL')) return []
  const patterns = unmask.map(
    (p) => new RegExp(`^${p.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '[^/]*')}$`),
  )
  return paths.filter((path) => !patterns.some((p) => p.test(path)))
}

function wrong(text: string, why: string, instead?: string): TsboxError {
  const known = 'seccomp=FILE|unconfined, no-new-privileges[=true|false], mask=PATH[:PATH], unmask=PATH[:PATH]|ALL'
  return new TsboxError('E_SECURITY_OPT', `invalid --security-opt "${text}": ${why}`, {
    exitCode: 125,
    hint: instead === undefined ? known : `--security-opt ${instead}`,
  })
}
