import type { BuildRequest } from '../../engine/api.js'

/** Options about limits, as `build` and `run` have them. */
export interface LimitValues {
  readonly 'shm-size': string | undefined
  readonly ulimit: readonly string[]
}

/** What they ask for; what reads them is loaded where one is given. @throws {UsageError} */
export async function limitsOf(values: LimitValues): Promise<Pick<BuildRequest, 'shmSizeBytes' | 'ulimits'>> {
  const { 'shm-size': size, ulimit } = values
  if (size === undefined && !ulimit.length) return {}
  const { parseShmSize, parseUlimits } = await import('./limits.js')
  return {
    ...(size === undefined ? {} : { shmSizeBytes: parseShmSize(size) }),
    ...(ulimit.length ? { ulimits: parseUlimits(ulimit) } : {}),
  }
}
