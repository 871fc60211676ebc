import { TsboxError } from '../../base/error.js'
import { formatPlatform, normalisePlatform, parsePlatform } from '../../oci/platform.js'
import type { RunRequest } from '../api.js'
import type { StoredImage } from '../images/stored-image.js'

/** @throws TsboxError E_PLATFORM where the image is of another platform than the one asked for, exit code 125 */
export function checkPlatform({ config }: StoredImage, { image, platform }: RunRequest): void {
  const { os, architecture, variant } = config
  const actual = normalisePlatform({ os, architecture, ...(variant ? { variant } : {}) })
  const wanted = normalisePlatform(parsePlatform(platform ?? '', actual))
  if (formatPlatform(wanted) === formatPlatform(actual)) return
  throw new TsboxError(
    'E_PLATFORM',
    `image with reference ${image} was found but does not match the specified platform: wanted ${formatPlatform(wanted)}, actual: ${formatPlatform(actual)}`,
    { exitCode: 125, hint: `build or load it for ${formatPlatform(wanted)}` },
  )
}
