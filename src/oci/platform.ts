import { TsboxError } from '../base/error.js'

/** An OCI platform, Go's names. @see OCI image-spec 1.1, image-index.md */
export interface Platform {
  os: string
  architecture: string
  variant?: string | undefined
}

const OSES = new Set(
  'aix android darwin dragonfly freebsd illumos ios js linux netbsd openbsd plan9 solaris wasi wasip1 windows'.split(
    ' ',
  ),
)
/** Other names of architectures, with the variant that they imply. */
const ARCHITECTURES: Readonly<Record<string, [architecture: string, variant?: string]>> = {
  x86_64: ['amd64'],
  'x86-64': ['amd64'],
  x64: ['amd64'],
  i386: ['386'],
  i686: ['386'],
  ia32: ['386'],
  aarch64: ['arm64'],
  armhf: ['arm', 'v7'],
  armel: ['arm', 'v6'],
  ppc64el: ['ppc64le'],
  loong64: ['loong64'],
}

/** One spelling for each platform: `x86_64` → `amd64`, `arm64/v8` → `arm64`, `arm` → `arm/v7`. @see containerd/platforms */
export function normalisePlatform(platform: Platform): Platform {
  const os = platform.os.toLowerCase() === 'macos' ? 'darwin' : platform.os.toLowerCase()
  const given = platform.architecture.toLowerCase()
  const [architecture, implied] = ARCHITECTURES[given] ?? [given]
  const variant = normaliseVariant(architecture, (platform.variant ?? '').toLowerCase() || implied)
  return variant ? { os, architecture, variant } : { os, architecture }
}

function normaliseVariant(architecture: string, variant: string | undefined): string | undefined {
  const named = variant && /^\d/.test(variant) ? `v${variant}` : variant
  if (architecture === 'arm64') return named === 'v8' || named === 'v8.0' ? undefined : named
  if (architecture === 'amd64') return named === 'v1' ? undefined : named
  if (architecture === 'arm') return named || 'v7'
  return named
}

/**
 * Reads `os[/arch[/variant]]`, or an architecture alone.
 *
 * @param fallback gives what is left out
 * @throws TsboxError E_PLATFORM_INVALID
 */
export function parsePlatform(text: string, fallback: Platform): Platform {
  const parts = text.split('/')
  if (parts.length > 3 || parts.some((p) => !/^[\w.-]+$/.test(p)))
    throw new TsboxError('E_PLATFORM_INVALID', `read platform: not os/architecture: "${text}"`, {
      hint: 'write it as linux/amd64 or linux/arm64',
    })
  const [os, architecture, variant] = parts as [string, string?, string?]
  if (architecture !== undefined) return normalisePlatform({ os, architecture, variant })
  if (OSES.has(os.toLowerCase()) || os.toLowerCase() === 'macos') return normalisePlatform({ ...fallback, os })
  return normalisePlatform({ os: fallback.os, architecture: os })
}

/** `linux/arm/v7`. */
export function formatPlatform({ os, architecture, variant }: Platform): string {
  return variant ? `${os}/${architecture}/${variant}` : `${os}/${architecture}`
}

/** True where an image for `image` runs on `host` as it is. */
export function platformMatches(image: Platform, host: Platform): boolean {
  return formatPlatform(normalisePlatform(image)) === formatPlatform(normalisePlatform(host))
}
