/** Folders that `--cache-to` wrote, what is in them, and how they can be wrong. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import {
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { before, type TestContext } from 'node:test'
import { type Cli, makeBase, openCli, sharedCli, writeContext } from './cli.js'

/** Steps that were not answered from a cache, by their names in plain progress. */
export function executed(log: string): string[] {
  const cached = new Set([...log.matchAll(/^#(\d+) CACHED$/gm)].map((m) => m[1]))
  const steps = [...log.matchAll(/^#(\d+) \[(?!internal).*?\d+\/\d+\] (.*)$/gm)]
  return [...new Set(steps.filter((m) => !cached.has(m[1])).map((m) => m[2]!))]
}

/** Two stages: steps, a copy from the context on top of one, a copy from one to the other. */
export const DOCKERFILE = `FROM base AS make
RUN echo tools > /tools && chown 7:8 /tools && head -c 300000 /dev/urandom > /noise
COPY in.txt /in.txt
RUN cat /tools /in.txt > /out && echo made on $(uname -s)
FROM base
WORKDIR /app
COPY --from=make /out /app/out
RUN cat /app/out > /app/copy
`

export const blobs = (dir: string) => readdirSync(join(dir, 'blobs/sha256')).sort()
export const warnings = (log: string) => log.match(/ - Cache(Import|Export): .*/g) ?? []

export interface Document {
  config: { digest: string; mediaType: string }
  layers: { digest: string; mediaType: string; size: number }[]
}
export const documentOf = <T>(dir: string, digest: string) =>
  JSON.parse(readFileSync(join(dir, 'blobs', digest.replace(':', '/')), 'utf8')) as T
export const indexOf = (dir: string) =>
  JSON.parse(readFileSync(join(dir, 'index.json'), 'utf8')) as { manifests: { digest: string }[] }
export const manifestOf = (dir: string) => documentOf<Document>(dir, indexOf(dir).manifests[0]!.digest)
export interface Config {
  records: { key: string; layer?: number; title?: string }[]
  layers: { digest: string; diffID: string; tarSize: number; toc?: string }[]
  mounts: { id: string; digest: string; diffID: string; tarSize: number; uid: number; mode: number }[]
}
export const configOf = (dir: string) => documentOf<Config>(dir, manifestOf(dir).config.digest)

/** Ways in which a cache can be wrong: each gets a copy. */
export const DAMAGE: [what: string, damage: (dir: string) => void][] = [
  ['an index that is no JSON', (dir) => writeFileSync(join(dir, 'index.json'), 'x')],
  ['a manifest with other bytes', (dir) => flip(dir, indexOf(dir).manifests[0]!.digest)],
  ['a configuration with other bytes', (dir) => flip(dir, manifestOf(dir).config.digest)],
  ['layers with other bytes', (dir) => manifestOf(dir).layers.map((l) => flip(dir, l.digest))],
  ['layers cut short', (dir) => manifestOf(dir).layers.map((l) => truncateSync(pathOf(dir, l.digest), l.size - 1))],
  ['no blobs', (dir) => manifestOf(dir).layers.map((l) => rmSync(pathOf(dir, l.digest)))],
  [
    'links for blobs',
    (dir) => {
      for (const { digest } of manifestOf(dir).layers) {
        renameSync(pathOf(dir, digest), join(dir, digest.slice(7)))
        symlinkSync(join(dir, digest.slice(7)), pathOf(dir, digest))
      }
    },
  ],
  ['layers that are others', swapLayers],
  ['records that are none', (dir) => rewrite(dir, (c) => Object.assign(c.records[0]!, { key: '../../images/x' }))],
  ['records of layers that are not there', (dir) => rewrite(dir, (c) => Object.assign(c.records[0]!, { layer: 99 }))],
]

export const pathOf = (dir: string, digest: string) => join(dir, 'blobs', digest.replace(':', '/'))

export function flip(dir: string, digest: string): void {
  const bytes = readFileSync(pathOf(dir, digest))
  const at = bytes.length >> 1
  bytes[at] = bytes[at]! ^ 1
  writeFileSync(pathOf(dir, digest), bytes)
}

/** A cache that is whole, by its digests, and lies. */
export function rewrite(dir: string, change: (config: Config, manifest: Document) => void): void {
  const put = (value: unknown) => {
    const bytes = Buffer.from(JSON.stringify(value))
    const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`
    writeFileSync(pathOf(dir, digest), bytes)
    return { digest, size: bytes.length }
  }
  const manifest = manifestOf(dir)
  const config = configOf(dir)
  change(config, manifest)
  const index = indexOf(dir)
  Object.assign(manifest.config, put(config))
  Object.assign(index.manifests[0]!, put(manifest))
  writeFileSync(join(dir, 'index.json'), JSON.stringify(index))
}

function swapLayers(dir: string): void {
  rewrite(dir, ({ layers }) => {
    const others = layers.map(({ digest, tarSize }) => ({ digest, tarSize }))
    for (const [i, l] of layers.entries()) Object.assign(l, others[(i + 1) % others.length])
  })
}

/** A machine that builds and exports, and others that import: each knows the base image and nothing else. */
export class CacheLab {
  readonly cli = sharedCli()
  #base = ''
  #made: { dir: string; id: string } | undefined

  constructor() {
    before(() => {
      makeBase(this.cli)
      this.#base = join(this.cli.dir, 'base.tar')
      this.cli.ok(['save', '-o', this.#base, 'base'])
    })
  }

  otherMachine(t: TestContext): Cli {
    const other = openCli(t)
    other.ok(['load', '-i', this.#base])
    return other
  }

  /** A folder that is not there yet. */
  folder(): string {
    return join(mkdtempSync(join(this.cli.dir, 'cache-')), 'c')
  }

  context(input = 'one\n'): string {
    return writeContext(this.cli, { Dockerfile: DOCKERFILE, 'in.txt': input })
  }

  /** A cache of that build, made once. */
  exported(): { dir: string; id: string } {
    if (!this.#made) {
      const dir = this.folder()
      const { id } = this.cli.build(this.context(), ['--cache-to', `type=local,dest=${dir},mode=max`])
      this.#made = { dir, id }
    }
    return this.#made
  }

  /** Builds with a cache that is wrong in some way: one warning, the right image, and nothing of it is kept. */
  checkDamage(t: TestContext, [what, damage]: (typeof DAMAGE)[number]): void {
    const dir = this.folder()
    cpSync(this.exported().dir, dir, { recursive: true })
    damage(dir)
    const other = this.otherMachine(t)
    const { log } = other.build(this.context(), ['-t', 'app', '--cache-from', `type=local,src=${dir}`])
    assert.equal(warnings(log).length, 1, `${what}:\n${log}`)
    assert.match(warnings(log)[0]!, /building without it/, what)
    assert.doesNotMatch(log, /ERROR/, what)
    assert.equal(other.ok(['run', '--rm', 'app', 'cat', '/app/copy']), 'tools\none\n', what)
    assert.deepEqual(executed(other.build(this.context()).log), [], `${what}: the next build finds what this one made`)
    const origins = other.names('cache').filter((n) => readFileSync(join(other.root, 'cache', n), 'utf8').includes(dir))
    assert.deepEqual(origins, [], `${what}: nothing of the cache is remembered`)
    assert.deepEqual(other.leftovers(), [], what)
  }
}
