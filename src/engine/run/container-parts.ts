import type { Rlimit } from '../../rootless/plan.js'
import type { RunRequest } from '../api.js'
import type { Resolver } from './host-files.js'
import type { Isolation } from './isolation/resolve.js'
import type { Resources } from './resources/resolve.js'

/** What of a container is other than usual, resolved when it was made and the same whenever it starts. */
export interface ContainerParts {
  isolation?: Isolation | undefined
  extraHosts: readonly { name: string; address: string }[]
  resolver?: Resolver | undefined
  shmSizeBytes?: number | 'none' | undefined
  rlimits?: readonly Rlimit[] | undefined
  groupAdd: readonly string[]
  resources?: Resources | undefined
  /** Said of it, for nobody here. */
  annotations?: Readonly<Record<string, string>> | undefined
  exposed?: readonly string[] | undefined
}

/** Parts of a request. @param isolation resolved, as are the resources */
export function partsOf(
  request: RunRequest,
  isolation: Isolation | undefined,
  resources: Resources | undefined,
): ContainerParts {
  const {
    extraHosts = [],
    dns: servers = [],
    dnsSearch: search = [],
    dnsOptions: options = [],
  } = request.isolation ?? {}
  const asked = servers.length || search.length || options.length
  return {
    isolation: isolation && { ...isolation, process: spelledOut(isolation.process) },
    extraHosts,
    resolver: asked ? { servers, search, options } : undefined,
    shmSizeBytes: isolation?.noShm ? 'none' : request.shmSizeBytes,
    resources,
    annotations: request.annotations,
    exposed: request.exposed,
    rlimits: request.ulimits?.map(({ name: resource, soft, hard }) => ({ resource, soft, hard })),
    groupAdd: request.isolation?.groupAdd ?? [],
  }
}

/** No filter is an empty one: JSON does not tell what is undefined from what is not there, which is the default's. */
function spelledOut(process: Isolation['process']): Isolation['process'] {
  return { ...process, seccomp: process.seccomp ?? new Uint8Array() }
}

/** As a record keeps them: JSON, with bytes and infinite numbers spelled out. */
export function encodeParts(parts: ContainerParts): string {
  return JSON.stringify(parts, function (this: Record<string, unknown>, key, value: unknown) {
    // As it was before Buffer's own toJSON.
    const own = this[key]
    if (own instanceof Uint8Array) return { $bytes: Buffer.from(own).toString('base64') }
    return value === Number.POSITIVE_INFINITY ? { $infinite: true } : value
  })
}

/** Inverse of {@link encodeParts}; undefined gives those of a container without anything unusual. */
export function decodeParts(text: string | undefined): ContainerParts {
  if (text === undefined) return { extraHosts: [], groupAdd: [] }
  return JSON.parse(text, (_, value: { $bytes?: string; $infinite?: true } | null) => {
    if (typeof value?.$bytes === 'string') return Uint8Array.from(Buffer.from(value.$bytes, 'base64'))
    return value?.$infinite ? Number.POSITIVE_INFINITY : value
  }) as ContainerParts
}
