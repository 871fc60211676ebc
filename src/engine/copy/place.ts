import { TsboxError } from '../../base/error.js'

/** Where an image is copied from or to, as skopeo writes it. */
export type CopyPlace =
  | { transport: 'docker'; reference: string }
  | { transport: 'oci' | 'oci-archive' | 'docker-archive'; path: string; reference: string | undefined }
  | { transport: 'dir'; path: string }

const WITH_REFERENCE = new Set(['oci', 'oci-archive', 'docker-archive'])

/**
 * Reads `docker://NAME`, `oci:FOLDER[:TAG]`, `oci-archive:FILE[:TAG]`, `docker-archive:FILE[:NAME]` or `dir:FOLDER`; a
 * name alone is one of a registry.
 *
 * @param resolve makes a path absolute
 * @throws TsboxError E_TRANSPORT
 */
export function parsePlace(text: string, resolve: (path: string) => string): CopyPlace {
  const [, transport, rest = ''] = /^([a-z][a-z-]*):(.*)$/s.exec(text) ?? []
  if (transport === 'docker' && rest.startsWith('//')) return { transport, reference: rest.slice(2) }
  if (transport === 'dir') return { transport, path: resolve(required(text, rest)) }
  if (transport !== undefined && WITH_REFERENCE.has(transport)) {
    const [path = '', reference] = rest.split(/:(.*)/s) as [string, string?]
    return {
      transport: transport as 'oci' | 'oci-archive' | 'docker-archive',
      path: resolve(required(text, path)),
      reference: reference || undefined,
    }
  }
  if (['containers-storage', 'docker-daemon', 'sif', 'tarball', 'ostree', 'atomic'].includes(transport ?? ''))
    throw new TsboxError('E_TRANSPORT', `copy image: a transport that tsbox has not: "${transport}"`, {
      hint: 'docker://NAME, oci:FOLDER[:TAG], oci-archive:FILE[:TAG], docker-archive:FILE[:NAME] and dir:FOLDER are known; tsbox push and tsbox save take images from the store',
    })
  return { transport: 'docker', reference: text }
}

function required(text: string, path: string): string {
  if (path === '') throw new TsboxError('E_TRANSPORT', `copy image: a path is missing: "${text}"`)
  return path
}
