import { TsboxError } from '../../base/error.js'
import type { Platform } from '../../oci/platform.js'
import { resolveShortName } from '../../registry/short-name.js'
import { findImage, openImage, type StoredImage } from '../images/stored-image.js'
import type { RegistryDeps } from './deps.js'
import { pullNamed } from './node-registry.js'
import type { Stepper } from './steps.js'

/** When an image is asked for at its registry: where the store has it not, in any case, or not at all. */
export type PullWhen = 'missing' | 'always' | 'never'

/** What a registry may say of an image that is nowhere; docker's own hides by "denied" what is not there. */
const NOWHERE = ['E_REGISTRY_NOT_FOUND', 'E_REGISTRY_DENIED', 'E_REGISTRY_UNREACHABLE', 'E_REGISTRY_BUSY']

/**
 * An image by name: of the store, else of its registry.
 *
 * @param isAsked whether the platform was named by the user
 * @throws TsboxError E_IMAGE_NOT_FOUND where neither has it, and those of registries
 */
export async function openOrPull(
  deps: RegistryDeps,
  text: string,
  want: { when: PullWhen; platform: Platform; isAsked: boolean },
  step: Stepper,
  signal: AbortSignal,
): Promise<StoredImage> {
  const { store, lease } = deps
  const here = want.when === 'always' ? undefined : tryOpen(deps, text)
  if (here) return here
  if (want.when === 'never') return openImage(store, lease, text)
  const registry = await deps.registry()
  const reference = resolveShortName(registry.endpoints, text)
  const aliased = want.when === 'missing' ? tryOpen(deps, reference.toString()) : undefined
  if (aliased) return aliased
  try {
    await pullNamed(deps, { reference, ...want }, step, signal)
  } catch (err) {
    throw nowhere(err, text)
  }
  return openImage(store, lease, reference.toString())
}

function tryOpen({ store, lease }: RegistryDeps, text: string): StoredImage | undefined {
  try {
    findImage(store, text)
  } catch (err) {
    if (err instanceof TsboxError && err.code === 'E_IMAGE_NOT_FOUND') return undefined
    throw err
  }
  return openImage(store, lease, text)
}

function nowhere(err: unknown, text: string): unknown {
  if (!(err instanceof TsboxError) || !NOWHERE.includes(err.code)) return err
  const mend = err.hint ?? `tsbox images lists what is here; tsbox image from-host ${text} PROGRAM… makes one`
  return new TsboxError('E_IMAGE_NOT_FOUND', `no such image: ${text}`, {
    hint: `it is not in the store; ${err.message}\n${mend}`,
    cause: err,
    exitCode: err.exitCode,
  })
}
