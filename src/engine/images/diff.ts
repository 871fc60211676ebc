import { compareNames } from '../../base/bytes.js'
import { canonicalJson } from '../../base/hash.js'
import type { FileTree } from '../../build/seams.js'
import type { Entry, Xattr } from '../../layer/entry.js'
import { LayerTree } from '../../layer/layer-tree.js'
import type { ImageConfig } from '../../oci/config.js'
import type { ImageDifference, PathDifference } from '../api.js'
import { NodeLayers } from '../layers/node-layers.js'
import type { Workshop } from '../layers/workshop.js'
import { openImage, type StoredImage } from './stored-image.js'

/**
 * Compares what two images are: their configs field by field, and the trees that their layers make, path by path.
 * Contents are read only where size and place do not tell.
 *
 * @param options `times`: files' times count too
 * @throws TsboxError E_IMAGE_NOT_FOUND, E_LAYER_MISSING
 */
export async function diffImages(
  shop: Workshop,
  first: string,
  second: string,
  { times }: { times: boolean },
): Promise<ImageDifference> {
  const layers = new NodeLayers(shop)
  const images = [first, second].map((name) => openImage(shop.store, shop.lease, name)) as [StoredImage, StoredImage]
  const sides = (await Promise.all(images.map((image) => openSide(layers, image)))) as [Side, Side]
  const paths = await new TreeDiff(sides[0], sides[1], times).run()
  const [before, after] = images.map((i) => i.config.rootfs.diff_ids) as [string[], string[]]
  const shared = before.findIndex((id, i) => id !== after[i])
  const common = shared < 0 ? before.length : shared
  return {
    manifests: [images[0].manifestDigest, images[1].manifestDigest],
    config: configDifferences(images[0].config, images[1].config),
    layers: { shared: common, before: before.length - common, after: after.length - common },
    paths,
  }
}

/** One of the two images, open. */
interface Side {
  tree: LayerTree
  files: FileTree
  diffIDs: readonly string[]
}

async function openSide(layers: NodeLayers, image: StoredImage): Promise<Side> {
  const tocs = await Promise.all(image.layers.map((layer) => layers.toc(layer)))
  return {
    tree: new LayerTree(tocs),
    files: await layers.tree(image.layers),
    diffIDs: image.config.rootfs.diff_ids,
  }
}

/** Fields of the config with a dotted name each, down to values that are no objects. What only says when it was made stays out. */
function configDifferences(before: ImageConfig, after: ImageConfig): ImageDifference['config'] {
  const [a, b] = [before, after].map((config) => {
    const { rootfs: _, history, ...rest } = config
    return flatten({ ...rest, history: history?.map(({ created: _, ...line }) => line) })
  }) as [Map<string, string>, Map<string, string>]
  const fields = [...new Set([...a.keys(), ...b.keys()])].sort()
  return fields
    .filter((field) => a.get(field) !== b.get(field))
    .map((field) => ({ field, before: a.get(field), after: b.get(field) }))
}

function flatten(value: object, prefix = '', out = new Map<string, string>()): Map<string, string> {
  for (const [key, inner] of Object.entries(value)) {
    if (inner === undefined) continue
    const name = prefix === '' ? key : `${prefix}.${key}`
    const plain = typeof inner === 'object' && inner !== null && !Array.isArray(inner)
    if (plain) flatten(inner, name, out)
    else out.set(name, canonicalJson(inner))
  }
  return out
}

/** Two files that are alike but perhaps for what is in them. */
interface Undecided {
  path: string
  index: number
}

class TreeDiff {
  readonly #a: Side
  readonly #b: Side
  readonly #times: boolean
  readonly #out: PathDifference[] = []
  readonly #undecided: Undecided[] = []

  constructor(a: Side, b: Side, times: boolean) {
    this.#a = a
    this.#b = b
    this.#times = times
  }

  async run(): Promise<PathDifference[]> {
    this.#directory('')
    await this.#contents()
    return this.#out.filter((d) => d.kind !== 'changed' || d.what.length > 0)
  }

  #directory(path: string): void {
    const names = [...new Set([...this.#a.tree.readdir(path), ...this.#b.tree.readdir(path)])].sort(compareNames)
    for (const name of names) this.#path(path === '' ? name : `${path}/${name}`)
  }

  #path(path: string): void {
    const [a, b] = [this.#a.tree.lstat(path), this.#b.tree.lstat(path)]
    const known = a ?? b
    if (!known) return
    if (a && b) this.#both(path, a, b)
    else
      this.#out.push({
        path,
        kind: a ? 'removed' : 'added',
        type: known.type,
        before: a?.size ?? 0,
        after: b?.size ?? 0,
        what: [],
      })
    if (a?.type === 'dir' || b?.type === 'dir') this.#directory(path)
  }

  #both(path: string, a: Entry, b: Entry): void {
    const what = metadataDifferences(a, b, this.#times)
    if (a.type === 'file' && b.type === 'file' && !this.#samePlace(path)) {
      if (a.size !== b.size) what.push('content')
      else if (a.size > 0) this.#undecided.push({ path, index: this.#out.length })
    }
    const type = a.type === b.type ? a.type : `${a.type} → ${b.type}`
    this.#out.push({ path, kind: 'changed', type, before: a.size, after: b.size, what })
  }

  /** Both have the content from the same file of the same layer. */
  #samePlace(path: string): boolean {
    const [a, b] = [this.#a.tree.locate(path), this.#b.tree.locate(path)]
    return (
      a !== undefined &&
      b !== undefined &&
      a.contentPath === b.contentPath &&
      this.#a.diffIDs[a.layerIndex] === this.#b.diffIDs[b.layerIndex]
    )
  }

  async #contents(): Promise<void> {
    const paths = this.#undecided.map((u) => u.path)
    if (paths.length === 0) return
    const hash = (side: Side) =>
      side.files.readFiles(
        paths,
        () => {},
        () => {},
      )
    const [a, b] = [await hash(this.#a), await hash(this.#b)]
    this.#undecided.forEach(({ index }, i) => {
      if (a[i] !== b[i]) this.#out[index]!.what.push('content')
    })
  }
}

function metadataDifferences(a: Entry, b: Entry, times: boolean): string[] {
  const what: string[] = []
  const compare = (name: string, x: string, y: string) => {
    if (x !== y) what.push(`${name} ${x} → ${y}`)
  }
  compare('type', a.type, b.type)
  if (a.type !== 'symlink' || b.type !== 'symlink') compare('mode', octal(a.mode), octal(b.mode))
  compare('owner', `${a.uid}:${a.gid}`, `${b.uid}:${b.gid}`)
  compare('link', a.link ?? 'none', b.link ?? 'none')
  compare('device', `${a.major ?? 0}:${a.minor ?? 0}`, `${b.major ?? 0}:${b.minor ?? 0}`)
  if (xattrText(a.xattrs) !== xattrText(b.xattrs)) what.push('extended attributes')
  if (times) compare('time', new Date(a.mtime * 1000).toISOString(), new Date(b.mtime * 1000).toISOString())
  return what
}

function octal(mode: number): string {
  return mode.toString(8).padStart(4, '0')
}

function xattrText(xattrs: readonly Xattr[] | undefined): string {
  return (xattrs ?? []).map(([name, value]) => `${name}=${Buffer.from(value).toString('hex')}`).join(' ')
}
