import { TsboxError } from '../../base/error.js'
import type { GitSource } from '../../base/git-url.js'
import { hashOf, opKey } from '../graph/key.js'
import type { CopyOp, Vertex } from '../graph/vertex.js'
import { hashSources } from '../ops/copy-sources.js'
import { executorSalt } from '../ops/run.js'
import type { BuildHost, FileTree, GitCommit } from '../seams.js'
import type { LayerRecords } from './layer-records.js'
import { all, memo } from './memo.js'

/** What finding a key may have to ask for. */
export interface Solving {
  /** Key of the vertex's layers, executing what must be executed. */
  resultKey(v: Vertex): Promise<string>
  /** The same where the vertex was asked for already. */
  startedKey(v: Vertex): Promise<string> | undefined
  tree(v: Vertex): Promise<FileTree>
  commit(v: Vertex, source: GitSource): Promise<GitCommit>
}

/** A key that was found without running a step. */
export interface KnownKey {
  key: string
  /**
   * False for one that rests on a record alone: somebody got it from the same definition, but the files are not here. It
   * finds results; nothing is kept under it, because a step that runs again may give other files.
   */
  sure: boolean
}

/** Outward keys of vertices. */
export class KeyFinder {
  readonly #host: BuildHost
  readonly #records: LayerRecords
  readonly #solving: Solving
  readonly #keys = new Map<Vertex, Promise<string>>()
  readonly #known = new Map<Vertex, Promise<KnownKey | undefined>>()
  readonly #ready = new Map<Vertex, Promise<boolean>>()
  /** Keys that were found. */
  readonly found = new Map<Vertex, string>()

  constructor(host: BuildHost, records: LayerRecords, solving: Solving) {
    this.#host = host
    this.#records = records
    this.#solving = solving
  }

  /** Whatever looks for keys at the moment. */
  get underWay(): Promise<unknown>[] {
    return [...this.#keys.values()]
  }

  /** The vertex's key; executes only what must be executed to know it. */
  key(v: Vertex): Promise<string> {
    return memo(this.#keys, v, async () => {
      const key = await this.#find(v)
      this.found.set(v, key)
      return key
    })
  }

  async #find(v: Vertex): Promise<string> {
    const { op } = v
    switch (op.kind) {
      case 'scratch':
      case 'image':
        return opKey(this.#host.sha256, op, [])
      case 'context':
        return this.#solving.resultKey(v)
      case 'git':
        return (await this.#solving.commit(v, op.source)).key
      case 'copy':
        return this.#copyKey(v)
      default: {
        const known = await this.known(v)
        if (known?.sure) return known.key
        return this.#stepKey(v, await this.#inputKeys(v))
      }
    }
  }

  async #stepKey(v: Vertex, inputKeys: readonly string[]): Promise<string> {
    return opKey(this.#host.sha256, v.op, [await this.#executorSalt(v), ...inputKeys])
  }

  #inputKeys(v: Vertex): Promise<string[]> {
    return Promise.all(v.inputs.map((i) => this.key(i)))
  }

  /** What the executor adds to the key; only an exec form can be anything but a step of the default one. */
  async #executorSalt(v: Vertex): Promise<string> {
    if (v.op.kind !== 'run') return ''
    const always = this.#host.stepSalt ?? ''
    if (v.op.shell) return always
    return always + (await executorSalt(this.#host, v.op, await this.#solving.tree(v.inputs[0]!)))
  }

  /** A copy's outward key is that of what it copies; the definition key only finds it without reading anything. */
  async #copyKey(v: Vertex): Promise<string> {
    if (findable(v) && isDefined(v)) {
      const record = this.#host.cache.get((await this.definition(v))!)
      if (record && this.#records.has(record.key)) return record.key
    }
    return this.#solving.resultKey(v)
  }

  /** A copy's definition key. Undefined where the sources are known by content only. */
  async definition(v: Vertex): Promise<string | undefined> {
    return isDefined(v) ? this.#definitionKey(v, await this.#inputKeys(v)) : undefined
  }

  #definitionKey(v: Vertex, inputKeys: readonly string[]): string {
    return hashOf(this.#host.sha256, { definition: opKey(this.#host.sha256, v.op, inputKeys) })
  }

  /** {@link definition} where no step must run to find it. */
  async knownDefinition(v: Vertex): Promise<KnownKey | undefined> {
    if (!isDefined(v)) return undefined
    const inputs = await this.#knownInputs(v)
    return inputs && { key: this.#definitionKey(v, inputs.keys), sure: inputs.sure }
  }

  async #knownInputs(v: Vertex): Promise<{ keys: string[]; sure: boolean } | undefined> {
    const known = await Promise.all(v.inputs.map((i) => this.known(i)))
    const keys = known.flatMap((k) => k?.key ?? [])
    return keys.length === v.inputs.length ? { keys, sure: known.every((k) => k?.sure) } : undefined
  }

  /** The vertex's key where no step must run to find it. */
  known(v: Vertex): Promise<KnownKey | undefined> {
    return memo(this.#known, v, async () => {
      if (v.inputs.length === 0) return { key: await this.key(v), sure: true }
      if (v.op.kind === 'copy') return this.#knownCopy(v, v.op)
      const inputs = await this.#knownInputs(v)
      const needsRoot = v.op.kind === 'run' && !v.op.shell
      if (!inputs || (needsRoot && !(await this.isReady(v.inputs[0]!)))) return undefined
      return { key: await this.#stepKey(v, inputs.keys), sure: inputs.sure }
    })
  }

  async #knownCopy(v: Vertex, op: CopyOp): Promise<KnownKey | undefined> {
    const definition = findable(v) ? await this.knownDefinition(v) : undefined
    const record = definition && this.#host.cache.get(definition.key)
    if (record && this.#records.has(record.key)) return { key: record.key, sure: definition.sure }
    if (await all(v.inputs, (i) => this.isReady(i))) return { key: await this.key(v), sure: true }
    const told = record ?? (await this.#toldBySources(v, op))
    return told && { key: told.key, sure: false }
  }

  /** What a record says of a copy onto files that are not here. Only other machines leave such records. */
  async #toldBySources(v: Vertex, op: CopyOp): Promise<{ key: string } | undefined> {
    const base = findable(v) ? await this.known(v.inputs[0]!) : undefined
    // Reading takes its time, and without another machine's cache there is hardly anything to find.
    const key = base && (await this.#sourceKey(v, op, base.key, this.#host.cache.isShared === true))
    return key === undefined ? undefined : this.#host.cache.get(key)
  }

  /**
   * A key by what of a context is copied onto what, which says nothing of the files that are there.
   *
   * @param read whether contents may be read that are not known
   */
  async #sourceKey(v: Vertex, op: CopyOp, baseKey: string, read: boolean): Promise<string | undefined> {
    const isContext = v.inputs.slice(1).every((i) => i.op.kind === 'context')
    if (isDefined(v) || !isContext || op.sources.some((s) => s.from === 'http')) return undefined
    try {
      const trees = await Promise.all(v.inputs.slice(1).map((i) => this.#solving.tree(i)))
      const sources = await hashSources(this.#host, op, trees, read)
      return sources && hashOf(this.#host.sha256, { source: opKey(this.#host.sha256, op, [baseKey, sources]) })
    } catch (err) {
      // What can't be copied at all is told by the step itself.
      if (err instanceof TsboxError) return undefined
      throw err
    }
  }

  /** Whether the vertex's layers can be had without running a step. */
  isReady(v: Vertex): Promise<boolean> {
    return memo(this.#ready, v, async () => {
      if (v.inputs.length === 0) return true
      const known = v.noCache ? undefined : await this.known(v)
      if (v.op.kind === 'copy' && known === undefined) return all(v.inputs, (i) => this.isReady(i))
      return known !== undefined && this.#records.has(known.key) && this.isReady(v.inputs[0]!)
    })
  }

  /**
   * The vertex's key, and of a copy one that leads to it, as far as no step must run to find them: for who keeps records
   * of what was solved.
   *
   * @param bySources also of a copy of a context onto what steps have made
   */
  async settled(v: Vertex, bySources: boolean): Promise<{ key?: string | undefined; leading?: string | undefined }> {
    const key = await this.#settledKey(v)
    if (key === undefined || v.op.kind !== 'copy') return { key }
    const inputs = await Promise.all(v.inputs.map((i) => (i.op.kind === 'context' ? '' : this.#settledKey(i))))
    if (inputs.some((k) => k === undefined)) return { key }
    if (isDefined(v)) return { key, leading: this.#definitionKey(v, inputs as string[]) }
    const wanted = bySources && v.inputs[0]!.inputs.length > 0
    return { key, leading: wanted ? await this.#sourceKey(v, v.op, inputs[0]!, true) : undefined }
  }

  async #settledKey(v: Vertex): Promise<string | undefined> {
    return this.#solving.startedKey(v) ?? (await this.known(v))?.key
  }
}

/** Whether a copy's definition may lead to a cached result without a look at what is copied. */
export function findable(v: Vertex): boolean {
  return !v.noCache && !v.byContent
}

/** Whether what is copied follows from keys of other vertices. */
function isDefined(v: Vertex): boolean {
  if (v.inputs.slice(1).some((i) => i.op.kind === 'context')) return false
  return v.op.kind !== 'copy' || v.op.sources.every((s) => s.from !== 'http')
}
