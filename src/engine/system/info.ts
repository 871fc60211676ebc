import { existsSync, readFileSync } from 'node:fs'
import { arch, cpus, hostname, release, totalmem } from 'node:os'
import type { ContainerRecord } from '../../container/record.js'
import { idCandidates } from '../../rootless/id-map.js'
import type { SystemInfo } from '../api.js'
import { containerState } from '../containers/state.js'
import type { ImageDeps } from '../images/deps.js'

/** `uname -m` of the machines that Node runs on. */
const MACHINES: Readonly<Record<string, string>> = { x64: 'x86_64', arm64: 'aarch64', ia32: 'i686', arm: 'armv7l' }

/** What is known of the store and of this machine, without starting anything. */
export function systemInfo({ store, env }: ImageDeps): SystemInfo {
  const states = store.containers
    .list<ContainerRecord>()
    .map((record) => containerState(record, store.containers.dir(record.id)).status)
  const running = states.filter((s) => s === 'running').length
  return {
    containers: { total: states.length, running, paused: 0, stopped: states.length - running },
    images: new Set(store.images.list().map((image) => image.config)).size,
    root: store.place.root,
    hostname: hostname(),
    kernel: release(),
    operatingSystem: operatingSystem(),
    machine: MACHINES[arch()] ?? arch(),
    cpus: cpus().length,
    memoryBytes: totalmem(),
    cgroupVersion: existsSync('/sys/fs/cgroup/cgroup.controllers') ? '2' : '1',
    userns: idCandidates(env)[0]!.mode,
  }
}

function operatingSystem(): string {
  try {
    const text = readFileSync('/etc/os-release', 'utf8')
    return /^PRETTY_NAME="?([^"\n]*)"?$/m.exec(text)?.[1] ?? 'Linux'
  } catch {
    return 'Linux'
  }
}
