import type { ContainerRecord } from '../../container/record.js'
import type { Limits } from '../../rootless/cgroup/limits.js'
import { decodeParts } from '../run/container-parts.js'
import type { ContainerState } from './state.js'
import { childrenOf } from './top.js'

/** Go's zero time, which docker shows where something has not happened. */
const NEVER = '0001-01-01T00:00:00Z'

/** A container as `docker inspect` shows it: fields and cases are docker's, as far as they have a meaning here. */
export function inspectContainer(record: ContainerRecord, state: ContainerState, dir: string): Record<string, unknown> {
  const { settings } = record
  const running = state.status === 'running'
  const [path = '', ...args] = record.args
  return {
    Id: record.id,
    Created: record.created,
    Path: path,
    Args: args,
    State: {
      Status: state.paused ? 'paused' : state.status,
      Running: running,
      Paused: state.paused ?? false,
      Restarting: false,
      OOMKilled: false,
      Dead: false,
      Pid: running ? payloadOf(record) : 0,
      ExitCode: state.exitCode ?? 0,
      Error: state.error ?? '',
      StartedAt: record.started ?? NEVER,
      FinishedAt: state.finished ?? NEVER,
    },
    Image: record.imageID ?? '',
    ResolvConfPath: '',
    HostnamePath: '',
    HostsPath: '',
    LogPath: settings?.log?.driver === 'none' ? '' : `${dir}/log.json`,
    Name: `/${record.name}`,
    RestartCount: 0,
    Driver: 'overlayfs',
    Platform: 'linux',
    MountLabel: '',
    ProcessLabel: '',
    AppArmorProfile: '',
    ExecIDs: null,
    HostConfig: hostConfig(record),
    GraphDriver: { Name: 'overlayfs', Data: { UpperDir: `${dir}/fs`, WorkDir: `${dir}/work` } },
    Mounts: (settings?.mounts ?? []).map((m) => ({
      Type: m.kind === 'path' ? 'bind' : 'volume',
      ...(m.kind === 'path' ? {} : { Name: m.name, Driver: 'local' }),
      Source: m.source,
      Destination: m.target,
      Mode: m.readonly ? 'ro' : '',
      RW: !m.readonly,
      Propagation: m.kind === 'path' ? 'rprivate' : '',
    })),
    Config: {
      Hostname: settings?.hostname ?? '',
      Domainname: '',
      User: settings?.user ?? '',
      AttachStdin: settings?.attach?.includes('stdin') ?? false,
      AttachStdout: settings?.attach?.includes('stdout') ?? false,
      AttachStderr: settings?.attach?.includes('stderr') ?? false,
      Tty: settings?.tty ?? false,
      OpenStdin: settings?.openStdin ?? false,
      StdinOnce: settings?.stdinOnce ?? false,
      Env: settings?.env ?? [],
      Cmd: settings?.command ?? record.args,
      Image: record.image,
      ...exposedPorts(settings?.parts),
      Volumes: null,
      WorkingDir: settings?.cwd ?? '',
      Entrypoint: settings?.entrypoint.length ? settings.entrypoint : null,
      Labels: settings?.labels ?? {},
      ...(settings?.stopSignal === undefined ? {} : { StopSignal: settings.stopSignal }),
      ...(settings?.stopTimeoutSeconds === undefined ? {} : { StopTimeout: settings.stopTimeoutSeconds }),
    },
    NetworkSettings: { Ports: {}, Networks: { [settings?.network ?? 'host']: {} } },
  }
}

function exposedPorts(parts: string | undefined): Record<string, unknown> {
  const { exposed } = decodeParts(parts)
  return exposed ? { ExposedPorts: Object.fromEntries(exposed.map((port) => [port, {}])) } : {}
}

function hostConfig({ settings, autoRemove, mode, userns }: ContainerRecord): Record<string, unknown> {
  const { isolation, resources, annotations } = decodeParts(settings?.parts)
  return {
    ...limitFields(resources?.limits),
    ...(resources?.processes === undefined ? {} : { PidsLimit: resources.processes }),
    ...(resources?.processors ? { CpusetCpus: resources.processors.join(',') } : {}),
    ...(annotations ? { Annotations: annotations } : {}),
    CgroupParent: resources?.parent ?? '',
    IpcMode: isolation?.ipc ?? 'private',
    Binds: (settings?.mounts ?? [])
      .filter((m) => m.kind !== 'anonymous')
      .map((m) => `${m.name || m.source}:${m.target}${m.readonly ? ':ro' : ''}`),
    LogConfig: { Type: settings?.log?.driver ?? 'json-file', Config: settings?.log?.options ?? {} },
    NetworkMode: settings?.network ?? 'host',
    PortBindings: {},
    RestartPolicy: { Name: 'no', MaximumRetryCount: 0 },
    AutoRemove: autoRemove,
    Privileged: false,
    ReadonlyRootfs: false,
    UsernsMode: userns ?? mode,
  }
}

/** Docker's names of limits. */
function limitFields(limits: Limits | undefined): Record<string, unknown> {
  return {
    Memory: limits?.memoryBytes ?? 0,
    MemorySwap: limits?.memorySwapBytes ?? 0,
    MemoryReservation: limits?.memoryReservationBytes ?? 0,
    CpuQuota: limits?.cpuQuotaUs ?? 0,
    CpuPeriod: limits?.cpuPeriodUs ?? 0,
    CpuShares: limits?.cpuShares ?? 0,
    CpusetCpus: limits?.cpusetCpus ?? '',
    CpusetMems: limits?.cpusetMems ?? '',
    PidsLimit: limits?.pids ?? null,
    BlkioWeight: limits?.blkioWeight ?? 0,
  }
}

/** Pid of the container's init on this machine; undefined where it does not run. */
export function initOf(record: ContainerRecord): number | undefined {
  // The monitor has one child.
  return record.runner && record.detached ? childrenOf(record.runner.pid)[0] : undefined
}

function payloadOf(record: ContainerRecord): number {
  const init = initOf(record)
  return init === undefined ? 0 : (childrenOf(init)[0] ?? 0)
}
