import { compareNames } from '../../base/bytes.js'
import { TsboxError } from '../../base/error.js'
import { parseNamed, Reference } from '../../oci/reference.js'
import type { PushedImage, PushRequest } from '../api/registry.js'
import { readImage } from '../images/stored-image.js'
import type { RegistryDeps } from './deps.js'
import { pushForm } from './push-form.js'
import { pushImage, pushTarget } from './push-image.js'
import type { Stepper } from './steps.js'

/**
 * Pushes images of the store by name.
 *
 * @throws TsboxError E_IMAGE_NOT_FOUND, E_REFERENCE_INVALID and those of registries
 */
export async function pushNamed(deps: RegistryDeps, request: PushRequest, step: Stepper): Promise<PushedImage[]> {
  const { signal, form } = request
  const out: PushedImage[] = []
  const openTar = async function* (diffID: string) {
    yield* (await deps.packing()).layers.openTar(diffID)
  }
  for (const { name, record } of wanted(deps, request)) {
    const image = readImage(deps.store, deps.lease, record)
    const pushed = await step(`push ${name}`, async (transfers) => {
      const bytes = deps.store.blobs.read(image.manifestDigest)
      const made = await pushForm(image, form, deps.packing, bytes, signal)
      const repository = await pushTarget(deps, name)
      await pushImage({ ...deps, openTar }, repository, made, [name.tag!], transfers, signal)
      return made
    })
    out.push({ name: name.toString(), digest: pushed.digest, size: pushed.bytes.length })
  }
  return out
}

function wanted({ store }: RegistryDeps, { reference: text, allTags }: PushRequest) {
  const given = parseNamed(text)
  if (given.digest !== undefined)
    throw new TsboxError('E_REFERENCE_INVALID', `push image: it goes under a tag, not under a digest: "${text}"`)
  if (allTags && given.tag !== undefined)
    throw new TsboxError('E_REFERENCE_INVALID', `push images: a tag can't be used with --all-tags: "${text}"`)
  const name = new Reference({ ...given, domain: given.domain, path: given.path, tag: given.tag ?? 'latest' })
  const found = store.images.list().flatMap((record) => {
    const named = record.name === undefined ? undefined : parseNamed(record.name)
    if (named?.tag === undefined || named.repository !== name.repository) return []
    return allTags || named.tag === name.tag ? [{ name: named, record }] : []
  })
  if (found.length) return found.sort((a, b) => compareNames(a.name.toString(), b.name.toString()))
  throw new TsboxError('E_IMAGE_NOT_FOUND', `no such image: ${allTags ? name.familiarRepository : name.familiar}`, {
    hint: `an image is pushed under a name that it has: tsbox tag IMAGE ${name.familiar}`,
  })
}
