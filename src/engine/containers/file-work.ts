import type { ContainerRecord } from '../../container/record.js'
import type { Entry } from '../../layer/entry.js'
import type { CommitRequest, ContainerChange, ContainerSize, CopyFrom, CopyOptions, CopyTo } from '../api.js'
import type { ImageDeps } from '../images/deps.js'
import { writeTree } from '../output/tree-tar.js'
import type { StartDeps } from '../run/start-container.js'
import { ChangeList } from './diff.js'
import type { Lifecycle, LifecycleDeps } from './lifecycle.js'

/** What is done with the files of containers. Each use case loads its own code. */
export class FileWork {
  readonly #deps: ImageDeps & LifecycleDeps
  readonly #life: Lifecycle

  constructor(deps: ImageDeps & LifecycleDeps, life: Lifecycle) {
    this.#deps = deps
    this.#life = life
  }

  async size(record: ContainerRecord): Promise<ContainerSize> {
    const { layers, shop } = await this.#deps.startDeps(record)
    let changedBytes = 0
    const add = ({ size }: Entry) => {
      changedBytes += size
    }
    await (await shop.agent()).walk(this.#changed(record), { content: false }, { entry: add, data() {} })
    const sealed = await Promise.all(record.layers.map((l) => layers.seal(l, undefined)))
    return { changedBytes, totalBytes: sealed.reduce((sum, l) => sum + l.sizeBytes, changedBytes) }
  }

  async diff(record: ContainerRecord): Promise<ContainerChange[]> {
    const { layers, shop } = await this.#deps.startDeps(record)
    const list = new ChangeList(await layers.tree(record.layers))
    await (await shop.agent()).walk(this.#changed(record), { content: false }, list)
    return list.changes()
  }

  async export(record: ContainerRecord, write: (chunk: Uint8Array) => void): Promise<void> {
    const start = await this.#deps.startDeps(record)
    const diffID = await this.#layer(start, record)
    await writeTree(await start.layers.tree([...record.layers, { diffID }]), write)
  }

  async commit(record: ContainerRecord, request: CommitRequest): Promise<string> {
    const { commitImage } = await import('./commit.js')
    const start = await this.#deps.startDeps(record)
    return await commitImage(this.#deps, start.layers, record, await this.#layer(start, record), request)
  }

  async copyOut(record: ContainerRecord, path: string, to: CopyTo, options: CopyOptions): Promise<number> {
    const { copyOut } = await import('./copy/copy.js')
    const { withFiles } = await import('./copy/container-files.js')
    return await withFiles(this.#deps, this.#life, record, (files) => copyOut(files, record, path, to, options))
  }

  async copyIn(record: ContainerRecord, from: CopyFrom, path: string, options: CopyOptions): Promise<number> {
    const { copyIn } = await import('./copy/copy.js')
    const { withFiles } = await import('./copy/container-files.js')
    return await withFiles(this.#deps, this.#life, record, (files) => copyIn(files, record, from, path, options))
  }

  /** Folder of what it changed, in the form of an overlay's upper. */
  #changed(record: ContainerRecord): string {
    return `${this.#life.dir(record)}/fs`
  }

  /** What it changed, as a layer. @returns its digest */
  async #layer({ shop, layers }: StartDeps, record: ContainerRecord): Promise<string> {
    const writer = layers.writer()
    try {
      await (await shop.agent()).walk(this.#changed(record), { content: true }, writer)
      return (await writer.commit()).diffID!
    } finally {
      writer.abort()
    }
  }
}
