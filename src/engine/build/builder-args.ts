import { TsboxError } from '../../base/error.js'

/** What build arguments ask of the builder itself. @see Dockerfile reference, "BuildKit built-in build args" */
export interface BuilderArgs {
  /** Host name of the steps. */
  hostname?: string | undefined
  /** Keeps cache mounts apart from those of other namespaces. */
  cacheNamespace?: string | undefined
}

const TRUE = /^(1|t|true)$/i
const FALSE = /^(0|f|false)?$/i
/** @see sethostname(2), HOST_NAME_MAX */
const MAX_HOSTNAME_BYTES = 64

/** @throws TsboxError E_BUILD_ARG for a value that can't be, E_UNSUPPORTED for what is not done */
export function builderArgs(args: Readonly<Record<string, string>>): BuilderArgs {
  refuseMultiPlatform(args.BUILDKIT_MULTI_PLATFORM ?? '')
  const hostname = args.BUILDKIT_SANDBOX_HOSTNAME || undefined
  if (hostname !== undefined) checkHostname(hostname)
  return { hostname, cacheNamespace: args.BUILDKIT_CACHE_MOUNT_NS || undefined }
}

function refuseMultiPlatform(value: string): void {
  if (FALSE.test(value)) return
  if (!TRUE.test(value)) throw wrong('BUILDKIT_MULTI_PLATFORM', value, 'give it true or false')
  throw new TsboxError('E_UNSUPPORTED', 'build argument BUILDKIT_MULTI_PLATFORM: images are for one platform yet', {
    hint: 'leave it out: the result is one manifest, no index',
  })
}

function checkHostname(name: string): void {
  if (/[\s\x00-\x1f\x7f]/.test(name) || new TextEncoder().encode(name).length > MAX_HOSTNAME_BYTES)
    throw wrong(
      'BUILDKIT_SANDBOX_HOSTNAME',
      name,
      `give it a name of at most ${MAX_HOSTNAME_BYTES} bytes without blanks`,
    )
}

function wrong(arg: string, value: string, hint: string): TsboxError {
  return new TsboxError('E_BUILD_ARG', `build argument ${arg}: invalid value "${value}"`, { hint })
}
