import type { ImageConfig } from '../oci/config.js'
import { platformOf } from '../oci/image-config.js'
import type { LintImage } from './dockerfile/checks/lint.js'

/** What the checks use of an image's config. */
export function lintImage(config: ImageConfig): LintImage {
  const env = new Map<string, string>()
  for (const line of config.config?.Env ?? []) {
    const eq = line.indexOf('=')
    env.set(eq < 0 ? line : line.slice(0, eq), eq < 0 ? '' : line.slice(eq + 1))
  }
  return {
    env,
    hasShell: (config.config?.Shell?.length ?? 0) > 0,
    triggers: config.config?.OnBuild ?? [],
    platform: config.rootfs.diff_ids.length ? platformOf(config) : undefined,
  }
}

/** A base that is a folder of files (`--build-context NAME=FOLDER`). */
export const NO_IMAGE: LintImage = { env: new Map(), hasShell: false, triggers: [], platform: undefined }
