import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { buildSync } from 'esbuild'
import { concatBytes } from '../../src/base/bytes.js'
import type { TsboxError } from '../../src/base/error.js'
import type { Layer, LayerWriter, StepSpec } from '../../src/build/seams.js'
import { createWasiExecutor } from '../../src/engine/wasi/executor.js'
import { type LayerFiles, tarLower } from '../../src/engine/wasi/lower.js'
import type { Entry } from '../../src/layer/entry.js'
import { TarEncoder } from '../../src/layer/tar-encoder.js'
import { encodeToc, recordToc, TocBuilder } from '../../src/layer/toc.js'
import { compileWat, Guest, O } from '../wasm/guest.js'
import { dirAt, entryAt, fileAt, linkAt, type RootFile } from '../wasm/run.js'

const dir = mkdtempSync(join(tmpdir(), 'tsbox-wasi-'))
const workerFile = join(dir, 'worker.cjs')
before(() => {
  const entry = join(process.env.TSBOX_REPO ?? '.', 'src/engine/wasi/worker.ts')
  buildSync({
    entryPoints: [entry],
    outfile: workerFile,
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'cjs',
  })
})
after(() => rmSync(dir, { recursive: true, force: true }))

let layerCount = 0

/** Writes a layer as the store keeps it. */
function storeLayer(files: readonly RootFile[]): LayerFiles {
  const chunks: Uint8Array[] = []
  const encoder = new TarEncoder((chunk) => void chunks.push(chunk.slice()))
  const toc = new TocBuilder()
  const sink = recordToc(encoder, toc)
  for (const { entry, content } of files) {
    sink.entry(entry)
    if (content && entry.type === 'file') sink.data(content)
  }
  encoder.end()
  const tar = concatBytes(chunks)
  const base = join(dir, `layer${layerCount++}`)
  writeFileSync(`${base}.tar`, tar)
  writeFileSync(`${base}.toc`, encodeToc(toc.finish(tar.length)))
  return { tarPath: `${base}.tar`, tocPath: `${base}.toc` }
}

/** A writer that remembers what came, and whether it was committed. */
class MemoryWriter implements LayerWriter {
  readonly entries: (Entry & { text?: string })[] = []
  committed = false
  aborted = false
  entry(entry: Entry): void {
    this.entries.push(entry.type === 'file' ? { ...entry, text: '' } : { ...entry })
  }
  data(chunk: Uint8Array): void {
    this.entries.at(-1)!.text += new TextDecoder('latin1').decode(chunk)
  }
  async commit(): Promise<Layer> {
    this.committed = true
    return { diffID: 'sha256:result' }
  }
  abort(): void {
    this.aborted = true
  }
}

interface Setup {
  layers: LayerFiles[]
  step?: Partial<StepSpec>
  writer?: MemoryWriter
  signal?: AbortSignal
  onOutput?(): void
}

async function runStep({ layers, step = {}, writer = new MemoryWriter(), signal, onOutput }: Setup) {
  const executor = createWasiExecutor({ workerFile, writer: () => writer, layerFiles: async () => layers })
  const spec: StepSpec = {
    layers: [],
    args: ['/main.wasm'],
    env: [],
    cwd: '/',
    user: '',
    mounts: [],
    network: 'default',
    extraHosts: [],
    epoch: 100,
    ...step,
  }
  const out = { stdout: '', stderr: '' }
  const collect = (name: 'stdout' | 'stderr') => (chunk: Uint8Array) => {
    out[name] += new TextDecoder().decode(chunk)
    onOutput?.()
  }
  const output = { stdout: collect('stdout'), stderr: collect('stderr') }
  const result = await executor.run(spec, output, signal ?? new AbortController().signal)
  return { ...result, ...out, writer }
}

async function programLayer(build: (g: Guest) => void): Promise<LayerFiles> {
  const guest = new Guest()
  build(guest)
  return storeLayer([fileAt('main.wasm', await guest.wasm())])
}

test('a step reads layers from their tars and its changes become a layer', async () => {
  const base = storeLayer([
    dirAt('data'),
    fileAt('data/in', 'lower'),
    fileAt('data/gone', 'g'),
    fileAt('data/keep', 'k'),
  ])
  const upper = storeLayer([dirAt('data'), fileAt('data/in', 'upper'), { entry: entryAt('data/gone', 'whiteout') }])
  const program = await programLayer((g) => {
    g.cat('data/in')
      .openFails(44, 'data/gone')
      .call('path_unlink_file', 3, ...g.text('data/keep'))
    const fd = g.open('data/in', 0, { flags: 1 })
    g.write(fd, '+').call('fd_write', 2, ...g.piece(...g.text('warning')), g.buffer(4))
  })
  const ran = await runStep({ layers: [base, upper, program] })
  assert.deepEqual([ran.exitCode, ran.layer?.diffID, ran.writer.committed], [0, 'sha256:result', true])
  assert.deepEqual([ran.stdout.replaceAll('\0', ''), ran.stderr], ['upper', 'warning'])
  assert.deepEqual(
    ran.writer.entries.map((e) => [e.type, e.path, e.text]),
    [
      ['dir', 'data', undefined],
      ['file', 'data/in', 'upper+'],
      ['whiteout', 'data/keep', undefined],
    ],
  )
})

test('a failing step has an exit code and no layer', async () => {
  const program = await programLayer((g) => g.writeFile('made', 'x').call('proc_exit', 42))
  const ran = await runStep({ layers: [program] })
  assert.deepEqual([ran.exitCode, ran.layer, ran.writer.entries, ran.writer.committed], [42, undefined, [], false])
  assert.equal(ran.writer.aborted, true)
})

test('an endless loop ends with the signal', async () => {
  const wasm = await compileWat(`(module
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1) (data (i32.const 0) "\\10\\00\\00\\00\\01\\00\\00\\00") (data (i32.const 16) "x")
    (func (export "_start")
      (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
      (loop $ever (br $ever))))`)
  const stop = new AbortController()
  const writer = new MemoryWriter()
  const reason = new Error('enough')
  const setup = { layers: [storeLayer([fileAt('main.wasm', wasm)])], writer, signal: stop.signal }
  await assert.rejects(runStep({ ...setup, onOutput: () => stop.abort(reason) }), reason)
  assert.deepEqual([writer.committed, writer.aborted], [false, true])
})

test('a step that was aborted before it began does not begin', async () => {
  await assert.rejects(runStep({ layers: [], signal: AbortSignal.abort(new Error('early')) }), /early/)
})

test('what a step may not do crosses the thread with code and hint', async () => {
  const wasm = await compileWat(
    '(module (import "gojs" "x" (func)) (memory (export "memory") 1) (func (export "_start")))',
  )
  const failed = runStep({ layers: [storeLayer([fileAt('main.wasm', wasm)])] })
  await assert.rejects(failed, (err: TsboxError) => {
    assert.deepEqual([err.code, err.exitCode, err.name], ['E_WASM_IMPORTS', 126, 'TsboxError'])
    assert.match(err.hint ?? '', /GOOS=wasip1/)
    return true
  })
})

test('an error of the writer ends the step', async () => {
  const program = await programLayer((g) => g.writeFile('a', 'x').writeFile('b', 'y'))
  const writer = new MemoryWriter()
  writer.data = () => {
    throw new Error('disk full')
  }
  await assert.rejects(runStep({ layers: [program], writer }), /disk full/)
  assert.deepEqual([writer.entries.length, writer.committed, writer.aborted], [1, false, true])
})

test('a mount that only namespaces can make is refused by name', async () => {
  const mounts: StepSpec['mounts'] = [
    { type: 'ssh', target: '/agent', agent: { socket: '/s', raw: false }, mode: 0, uid: 0, gid: 0 },
  ]
  await assert.rejects(runStep({ layers: [], step: { mounts } }), /not supported there: mount of type "ssh"/)
})

test('with an epoch a step repeats itself byte for byte', async () => {
  const program = await programLayer((g) => {
    const at = g.buffer(32)
    g.call('random_get', at, 16)
      .call('clock_time_get', 0, 0n, at + 16)
      .call('clock_time_get', 1, 0n, at + 24)
    const fd = g.open('out', O.CREAT)
    g.call('fd_write', fd, ...g.piece(at, 32), g.buffer(4))
  })
  const once = await runStep({ layers: [program] })
  const again = await runStep({ layers: [program] })
  assert.equal(once.writer.entries[0]?.text?.length, 32)
  assert.equal(once.writer.entries[0]?.mtime, 100)
  assert.deepEqual(once.writer.entries, again.writer.entries)
  const free = await runStep({ layers: [program], step: { epoch: undefined } })
  assert.notDeepEqual(once.writer.entries, free.writer.entries)
})

test('a large file crosses whole', async () => {
  const program = await programLayer((g) => {
    const fd = g.open('big', O.CREAT)
    const piece = g.piece(...g.text('0123456789abcdef'.repeat(4096)))
    for (let i = 0; i < 60; i++) g.call('fd_write', fd, ...piece, g.buffer(4))
  })
  const { writer } = await runStep({ layers: [program] })
  assert.equal(writer.entries[0]?.size, 60 * 65536)
  assert.equal(writer.entries[0]?.text, '0123456789abcdef'.repeat(4096 * 60))
})

test('no link and no path leads a guest to the machine’s files', async () => {
  const canary = join(dir, 'canary')
  writeFileSync(canary, 'secret of the machine')
  const up = '../'.repeat(20) + canary.slice(1)
  const links = storeLayer([
    linkAt('abs', canary),
    linkAt('rel', up),
    linkAt('root', '/'),
    linkAt('self', '/proc/self/root'),
  ])
  const program = await programLayer((g) => {
    for (const path of ['abs', 'rel', `root${canary}`, `self${canary}`, canary.slice(1)]) g.openFails(44, path)
    for (const path of [canary, up]) g.openFails(63, path, O.CREAT)
    g.call('path_symlink', ...g.text(dir), 3, ...g.text('out')).openFails(44, 'out/made', O.CREAT)
  })
  const ran = await runStep({ layers: [links, program] })
  assert.equal(ran.exitCode, 0, `call ${ran.exitCode} had another result`)
  assert.equal(readFileSync(canary, 'utf8'), 'secret of the machine')
  assert.ok(!existsSync(join(dir, 'made')))
})

test('tarLower() reads any part of a sparse file', () => {
  const path = join(dir, 'sparse')
  const entry = entryAt('s', 'file', { size: 100 })
  writeFileSync(`${path}.tar`, '....ABCDEFGH')
  const sparse = [
    [10, 3],
    [50, 5],
  ] as const
  writeFileSync(`${path}.toc`, encodeToc({ items: [{ entry, offset: 4, sparse }], tarSize: 12, maxMtime: 0 }))
  const lower = tarLower([{ tarPath: `${path}.tar`, tocPath: `${path}.toc` }])
  const whole = Buffer.alloc(100)
  whole.write('ABC', 10)
  whole.write('DEFGH', 50)
  for (const [from, length] of [
    [0, 100],
    [0, 11],
    [11, 40],
    [52, 2],
    [13, 37],
    [99, 50],
    [100, 5],
  ] as const)
    assert.deepEqual(
      Buffer.from(lower.pread('s', from, length)),
      whole.subarray(from, from + length),
      `${from}+${length}`,
    )
  lower.close()
})

const accepted: [args: string[], answer: boolean | RegExp][] = [
  [['/bin/tool'], true],
  [['tool'], true],
  [['/bin/link'], true],
  [['/bin/sh', '-c', 'tool'], false],
  [['/bin/missing'], false],
  [['/bin/short'], false],
  [['/bin'], false],
  [[], false],
  [['/bin/component'], /is a WebAssembly component/],
]
for (const [args, answer] of accepted)
  test(`accepts() says ${answer} for ${JSON.stringify(args)}`, async () => {
    const head = (...tail: number[]) => Uint8Array.of(0, 0x61, 0x73, 0x6d, ...tail)
    const layers = [
      storeLayer([
        dirAt('bin'),
        fileAt('bin/component', head(0x0d, 0, 1, 0)),
        linkAt('bin/link', 'tool'),
        fileAt('bin/sh', '\x7fELF and more'),
        fileAt('bin/short', head()),
        fileAt('bin/tool', head(1, 0, 0, 0)),
      ]),
    ]
    const lower = tarLower(layers)
    const root = {
      ...lower,
      async *stream(path: string) {
        for (const byte of lower.pread(path, 0, 1 << 20)) yield Uint8Array.of(byte)
      },
    }
    const executor = createWasiExecutor({
      workerFile,
      writer: () => new MemoryWriter(),
      layerFiles: async () => layers,
    })
    const step = { args, env: ['PATH=/bin'], cwd: '/', user: '', mounts: [] } as unknown as StepSpec
    const asked = executor.accepts(step, root)
    if (answer instanceof RegExp) await assert.rejects(asked, answer)
    else assert.equal(await asked, answer)
    lower.close()
  })
