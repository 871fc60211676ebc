/** Drafts: the order of a layer, whatever order it was drafted in. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { compareNames } from '../../../src/base/bytes.js'
import { LayerDraft } from '../../../src/build/ops/draft.js'
import type { Entry, EntryType } from '../../../src/layer/entry.js'
import { random } from '../../helpers/random.js'

function entry(path: string, type: EntryType): Entry {
  return { path, type, mode: 0o644, uid: 0, gid: 0, mtime: 0, size: 0 }
}

/** The order that layers have: name by name, by bytes. */
function byNames(a: string, b: string): number {
  const [x, y] = [a.split('/'), b.split('/')]
  for (let i = 0; i < x.length && i < y.length; i++) {
    const order = compareNames(x[i]!, y[i]!)
    if (order !== 0) return order
  }
  return x.length - y.length
}

const NAMES = ['a', 'a b', 'a-b', 'a.b', 'a!', 'ab', 'A', 'é', '\uff5e', '\u{1f600}', '\udcff', '0']

const SORTED = NAMES.filter((name) => name < '\ud800').sort(compareNames)

test('a draft ends in layer order with the folders that lead to its entries', () => {
  const { below: pick, pick: one } = random(7)
  for (let round = 0; round < 2000; round++) {
    const root = new Map(['', 'a', 'a/ab', 'A'].map((path) => [path, entry(path, 'dir')]))
    const draft = new LayerDraft({ lstat: (path) => root.get(path) }, 0)
    const expected = new Set<string>()
    const expect = (path: string) => {
      const parts = path.split('/')
      for (let n = 1; n <= parts.length; n++) expected.add(parts.slice(0, n).join('/'))
    }
    for (let n = pick(4); n >= 0; n--) {
      const dir = Array.from({ length: pick(3) }, () => one(NAMES)).join('/')
      const fresh = `${dir === '' ? '' : `${dir}/`}new${n}`
      draft.mkdirAll(dir, { uid: 1, gid: 1 })
      draft.put({ entry: entry(fresh, 'dir') })
      expect(fresh)
      for (const name of pick(8) ? SORTED : NAMES) {
        draft.append({ entry: entry(`${fresh}/${name}`, 'file') })
        expect(`${fresh}/${name}`)
      }
      if (pick(2)) assert.equal(draft.lstat(`${fresh}/ab`)?.type, 'file')
    }
    const paths = draft.finish().map((d) => d.entry.path)
    assert.deepEqual(paths, [...expected].sort(byNames))
  }
})
