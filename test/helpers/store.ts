import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { Lease } from '../../src/store/lease.js'
import { Store } from '../../src/store/store.js'
import { type SimpleEntry, simpleEntry } from './layers.js'
import { tempDir } from './temp.js'

/** A store of its own, with a lease; both go with the test. */
export function withStore(t: TestContext): { store: Store; lease: Lease; root: string } {
  const root = join(tempDir(t), 'store')
  const store = Store.open(root)
  const lease = store.lease()
  t.after(() => lease.close())
  return { store, lease, root }
}

/** Writes a layer as a tar blob. */
export function putLayer(
  store: Store,
  lease: Lease,
  entries: readonly SimpleEntry[],
): { diffID: string; sizeBytes: number } {
  const writer = store.layers.writer(lease)
  try {
    for (const e of entries) {
      const { entry, bytes } = simpleEntry(e)
      writer.entry(entry)
      if (bytes.length) writer.data(bytes)
    }
    return writer.finish()
  } finally {
    writer.abort()
  }
}
