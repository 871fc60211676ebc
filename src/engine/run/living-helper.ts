import { readlinkSync } from 'node:fs'
import type { Lease } from '../../store/lease.js'
import type { Store } from '../../store/store.js'

interface LivingHelper {
  pid: number
}

const fileOf = (store: Store) => store.place.path('helper.json')

/**
 * A helper that stayed with a container, if there was one: later ones share the memory of its program. A hint and no
 * more: it may have ended, and its number may be another's, which the helper finds out.
 */
export function livingHelper(store: Store): number | undefined {
  const pid = store.place.readJson<LivingHelper>(fileOf(store))?.pid
  return typeof pid === 'number' && pid > 0 ? pid : undefined
}

/** Remembers the monitor of a container that stays, where the one remembered is gone. */
export function noteLivingHelper(store: Store, lease: Lease, pid: number): void {
  const known = livingHelper(store)
  if (known !== undefined && isThere(known)) return
  store.place.write(fileOf(store), JSON.stringify({ pid } satisfies LivingHelper), lease.tempPath('helper'))
}

/** A zombie, and another user's process, show no program. */
function isThere(pid: number): boolean {
  try {
    return readlinkSync(`/proc/${pid}/exe`).startsWith('/memfd:')
  } catch {
    return false
  }
}
