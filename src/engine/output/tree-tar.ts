import type { FileTree } from '../../build/seams.js'
import type { Entry } from '../../layer/entry.js'
import { TarEncoder } from '../../layer/tar-encoder.js'

/** Entries of a tree in layer order, the root left out. */
export function* entriesOf(tree: FileTree, dir = ''): Generator<Entry> {
  for (const name of tree.readdir(dir)) {
    const path = dir === '' ? name : `${dir}/${name}`
    const entry = tree.lstat(path)
    if (!entry) continue
    yield entry.path === path ? entry : { ...entry, path }
    if (entry.type === 'dir') yield* entriesOf(tree, path)
  }
}

/** Writes a tree as a tar, owners and all. Equal trees give equal bytes. */
export async function writeTree(tree: FileTree, write: (chunk: Uint8Array) => void): Promise<void> {
  const encoder = new TarEncoder(write)
  const entries = [...entriesOf(tree)]
  const files = entries.flatMap((e, i) => (e.type === 'file' ? [i] : []))
  let next = 0
  const encodeTo = (index: number) => {
    for (; next <= index; next++) encoder.entry(entries[next]!)
  }
  await tree.readFiles(
    files.map((i) => entries[i]!.path),
    (i) => encodeTo(files[i]!),
    (chunk) => encoder.data(chunk),
  )
  encodeTo(entries.length - 1)
  encoder.end()
}
