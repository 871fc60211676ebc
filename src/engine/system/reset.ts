import { lstatSync, rmdirSync } from 'node:fs'
import { TsboxError } from '../../base/error.js'
import type { ContainerRecord } from '../../container/record.js'
import { liveLeases, sweepDeadLeases } from '../../store/lease.js'
import { STORE_NAMES } from '../../store/place.js'
import { emptyTrash } from '../../store/trash.js'
import { parseIdentity } from '../../util/identity.js'
import { namesIn } from '../../util/names-in.js'
import { Lifecycle } from '../containers/lifecycle.js'
import { containerState } from '../containers/state.js'
import type { ImageDeps } from '../images/deps.js'

/** For a `tsbox run` whose container was killed. */
const FAREWELL_MS = 10_000
const LOOK_MS = 20

/**
 * Removes everything of the store: containers, which are killed first, images, volumes, caches, and the folder itself
 * where nothing else is in it.
 *
 * @returns names in the folder that are not tsbox's, and stay
 * @throws TsboxError E_STORE_BUSY where another process works with it, E_STORE_LEFT where files could not be removed
 */
export async function resetStore(deps: ImageDeps): Promise<{ stopped: number; kept: string[] }> {
  const { store, lease, removeTrees } = deps
  const { root } = store.place
  sweepDeadLeases(store.place)
  const stopped = await endContainers(deps)
  const busy = await othersOf(deps, stopped ? FAREWELL_MS : 0)
  if (busy.length)
    throw new TsboxError('E_STORE_BUSY', `reset: another tsbox works with the store: process ${busy.join(', ')}`, {
      hint: 'wait for it, or end it',
    })
  // The helper is started now: what it writes down at its start would come back.
  await removeTrees([])
  lease.close()
  const own = namesIn(root).filter(isStoreName)
  const { left } = await emptyTrash(
    own.map((name) => store.place.path(name)),
    removeTrees,
  )
  if (left.length)
    throw new TsboxError('E_STORE_LEFT', `reset: could not be removed: "${left.join('", "')}"`, {
      hint: 'files of ids that are no longer yours: get the same subordinate ids back, or have root remove them',
    })
  const kept = namesIn(root)
  if (kept.length === 0) removeRoot(root)
  return { stopped, kept }
}

/** Processes that work with the store: those whose containers were ended are given time to end. */
async function othersOf({ store }: ImageDeps, patienceMs: number): Promise<number[]> {
  for (let waited = 0; ; waited += LOOK_MS) {
    const pids = liveLeases(store.place).map((name) => parseIdentity(name)!.pid)
    const others = pids.filter((pid) => pid !== process.pid)
    if (others.length === 0 || waited >= patienceMs) return others
    await new Promise((done) => setTimeout(done, LOOK_MS))
  }
}

function isStoreName(name: string): boolean {
  // `version.PID` is what a process that died left.
  return STORE_NAMES.includes(name) || /^(version\.\d+|mode-\w+\.json)$/.test(name)
}

async function endContainers({ store }: ImageDeps): Promise<number> {
  const life = new Lifecycle({ store, startDeps: () => Promise.reject(new Error('nothing is started here')) })
  const running = store.containers
    .list<ContainerRecord>()
    .filter((record) => containerState(record, store.containers.dir(record.id)).status === 'running')
  await Promise.all(running.map((record) => life.end(record)))
  return running.length
}

function removeRoot(root: string): void {
  try {
    // A link to the store's folder stays, and so does what it leads to.
    if (!lstatSync(root).isSymbolicLink()) rmdirSync(root)
  } catch {
    // Never made, or a mount point.
  }
}
