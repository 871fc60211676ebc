import { TsboxError } from '../../base/error.js'
import type { ContainerRecord } from '../../container/record.js'
import { parseNamed } from '../../oci/reference.js'
import { collectGarbage } from '../../store/gc.js'
import type { ImageRecord } from '../../store/images.js'
import type { Store } from '../../store/store.js'
import { containerState } from '../containers/state.js'
import type { ImageDeps } from './deps.js'
import { findImage } from './stored-image.js'

/**
 * Takes names away; an image that loses its last one goes, with all that nothing else needs. As docker does it: an id
 * stands for all names of the image if they are of one repository, or if forced.
 *
 * What was removed before a reference that fails stays removed.
 *
 * @throws TsboxError E_IMAGE_NOT_FOUND, E_IMAGE_USED
 */
export async function removeImages(
  deps: ImageDeps,
  references: readonly string[],
  { force }: { force: boolean },
): Promise<string[]> {
  const lines: string[] = []
  let failure: unknown
  for (const reference of references) {
    try {
      lines.push(...removeOne(deps, reference, force))
    } catch (err) {
      if (!(err instanceof TsboxError)) throw err
      // As docker: what is to be gone by force may be gone already.
      if (!(force && err.code === 'E_IMAGE_NOT_FOUND')) failure ??= err
    }
  }
  if (lines.length) await collectGarbage(deps.store, deps.lease, { dropCache: false, removeTrees: deps.removeTrees })
  if (failure) throw failure
  return lines
}

function removeOne({ store }: ImageDeps, text: string, force: boolean): string[] {
  const found = findImage(store, text)
  const records = store.images.list().filter((r) => r.config === found.config)
  const byName = found.name !== undefined && !isIdOf(text, found)
  const going = byName ? [found] : records
  const repositories = new Set(going.flatMap((r) => (r.name === undefined ? [] : parseNamed(r.name).repository)))
  if (!byName && repositories.size > 1 && !force)
    throw new TsboxError(
      'E_IMAGE_USED',
      `remove image: it has names in several repositories, and they must all go: "${text}"`,
      { hint: `remove them by name, or use tsbox rmi -f ${text}` },
    )
  const last = going.length === records.length
  if (last) refuseUsed(store, found, text, force)
  const lines = going.flatMap((r) => {
    const gone = store.images.remove(r)
    return gone && r.name !== undefined ? [`Untagged: ${parseNamed(r.name).familiar}`] : []
  })
  return last ? [...lines, `Deleted: ${found.config}`] : lines
}

function isIdOf(text: string, record: ImageRecord): boolean {
  const id = text.startsWith('sha256:') ? text : `sha256:${text}`
  return record.config.startsWith(id) && !record.name?.endsWith(`/${text}:latest`)
}

/** A stopped container keeps its image unless forced, a running one always. */
function refuseUsed({ containers }: Store, image: ImageRecord, text: string, force: boolean): void {
  const runs = (c: ContainerRecord) => containerState(c, containers.dir(c.id)).status === 'running'
  const users = containers.list<ContainerRecord>().filter((c) => c.manifest === image.manifest.digest)
  const user = users.find(runs) ?? (force ? undefined : users[0])
  if (!user) return
  const state = runs(user) ? 'running container' : 'container'
  throw new TsboxError('E_IMAGE_USED', `remove image: ${state} ${user.id.slice(0, 12)} uses it: "${text}"`, {
    hint: `tsbox rm -f ${user.id.slice(0, 12)}`,
  })
}
