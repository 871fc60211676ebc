import { existsSync, readFileSync } from 'node:fs'

/** What surrounds this process, as far as it can be read: where a refusal comes from, and who can lift it. */
export interface Surroundings {
  /** A seccomp filter is around this process. */
  seccomp: boolean
  /** The container that this process is in; undefined on a machine of its own. */
  container: 'docker' | 'podman' | 'kubernetes' | 'lxc' | 'container' | undefined
  /** Profile that AppArmor holds this process to, as `docker-default`; undefined without one. */
  appArmorProfile: string | undefined
  /** Value of a kernel setting by its dotted name; undefined where the kernel does not have it. */
  sysctl(name: string): string | undefined
}

/** Looks at `/proc` and at what container managers leave behind. Never fails. */
export function surroundings(env: Readonly<Record<string, string | undefined>>): Surroundings {
  return {
    seccomp: /^Seccomp:\s*2/m.test(readText('/proc/self/status')),
    container: containerOf(env),
    appArmorProfile: profileOf(readText('/proc/self/attr/apparmor/current') || readText('/proc/self/attr/current')),
    sysctl: (name) => readText(`/proc/sys/${name.replaceAll('.', '/')}`).trim() || undefined,
  }
}

function containerOf(env: Readonly<Record<string, string | undefined>>): Surroundings['container'] {
  if (env.KUBERNETES_SERVICE_HOST) return 'kubernetes'
  if (existsSync('/.dockerenv')) return 'docker'
  if (existsSync('/run/.containerenv') || env.container === 'podman') return 'podman'
  if (env.container === 'lxc') return 'lxc'
  const groups = readText('/proc/1/cgroup')
  if (/kubepods/.test(groups)) return 'kubernetes'
  if (/[/-]docker[/-]/.test(groups)) return 'docker'
  return env.container ? 'container' : undefined
}

function profileOf(text: string): string | undefined {
  const name = text.replaceAll('\0', '').trim()
  // SELinux and Smack answer in the same file, without a mode in brackets.
  const found = /^(.*) \((?:enforce|complain|mixed|unconfined|kill|user)\)$/.exec(name)
  return found && found[1] !== 'unconfined' ? found[1] : undefined
}

/** A small file as text; '' where it can't be read. */
export function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
