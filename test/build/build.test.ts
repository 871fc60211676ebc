import assert from 'node:assert/strict'
import test from 'node:test'
import { hostWithBase as baseHost } from '../helpers/base-host.js'

const hostWithBase = () => baseHost(CONTEXT)

const CONTEXT = {
  'a.txt': 'a',
  'b.txt': 'b',
  dir: null,
  'dir/c.txt': 'c',
  'dir/sub': null,
  'dir/sub/d.txt': 'd',
}

test('a stage that the target does not need is not executed', async () => {
  const host = await hostWithBase()
  await host.build('FROM base AS unused\nRUN never\nFROM base\nRUN once\n')
  assert.deepEqual(host.ran, ['once'])
})

test('a build with nothing changed runs nothing and has the same digest', async () => {
  const host = await hostWithBase()
  const text = 'FROM base AS b\nCOPY a.txt /\nRUN make\nFROM base\nCOPY --from=b /a.txt /x\nRUN finish\n'
  const first = await host.build(text)
  host.clock += 1000
  const reads = host.reads
  const again = await host.build(text)
  assert.deepEqual(host.ran, ['make', 'finish'])
  assert.equal(again.manifest.digest, first.manifest.digest)
  assert.ok(host.reads > reads, 'this context remembers no checksums, so its file is read to be compared')
})

test('a stage that changed but yields the same files stops the invalidation', async () => {
  const host = await hostWithBase()
  host.step = async (spec) => (spec.args.at(-1)!.startsWith('make') ? { out: 'same' } : { done: 'x' })
  const text = (n: number) => `FROM base AS b\nRUN make ${n}\nFROM base\nCOPY --from=b /out /out\nRUN finish\n`
  const first = await host.build(text(1))
  const second = await host.build(text(2))
  assert.deepEqual(host.ran, ['make 1', 'finish', 'make 2'])
  assert.equal(second.manifest.digest, first.manifest.digest)
})

test('one changed file runs what stands on it and nothing above', async () => {
  const host = await hostWithBase()
  const text = 'FROM base\nRUN first\nCOPY a.txt /\nRUN second\n'
  await host.build(text)
  host.contexts.set('', { 'a.txt': 'changed' })
  await host.build(text)
  assert.deepEqual(host.ran, ['first', 'second', 'second'])
})

test('--no-cache runs everything again', async () => {
  const host = await hostWithBase()
  await host.build('FROM base\nRUN one\n')
  await host.build('FROM base\nRUN one\n', { noCache: true })
  assert.deepEqual(host.ran, ['one', 'one'])
})

test('independent stages run at once', async () => {
  const host = await hostWithBase()
  const arrived = new Map<string, () => void>()
  const both = new Promise<void>((go) => {
    let n = 0
    for (const s of ['left', 'right']) arrived.set(s, () => ++n === 2 && go())
  })
  host.step = async (spec) => {
    arrived.get(spec.args.at(-1)!)?.()
    await both
    return { [spec.args.at(-1)!]: 'x' }
  }
  await host.build(
    'FROM base AS l\nRUN left\nFROM base AS r\nRUN right\nFROM base\nCOPY --from=l /left /\nCOPY --from=r /right /\n',
  )
  assert.deepEqual(host.ran.sort(), ['left', 'right'])
})

test('a failing step is named with its exit code and line', async () => {
  const host = await hostWithBase()
  host.step = async () => ({ exitCode: 42 })
  await assert.rejects(host.build('FROM base\n\nRUN false\n'), (err: Error & { location?: { line: number } }) => {
    assert.match(err.message, /process "\/bin\/sh -c false" did not complete successfully: exit code: 42/)
    assert.equal(err.location?.line, 3)
    return true
  })
})

const copies: [name: string, dockerfile: string, expected: string[]][] = [
  ['a file to a new name', 'COPY a.txt /x', ['x 644 0:0']],
  ['a file into a new directory', 'COPY a.txt /n/', ['n/ 755 0:0', 'n/a.txt 644 0:0']],
  [
    'the content of a directory',
    'COPY dir /n',
    ['n/ 755 0:0', 'n/c.txt 644 0:0', 'n/sub/ 755 0:0', 'n/sub/d.txt 644 0:0'],
  ],
  ['a wildcard', 'COPY *.txt /t/', ['t/ 755 0:0', 't/a.txt 644 0:0', 't/b.txt 644 0:0']],
  ['with numeric owner and mode', 'COPY --chown=5:6 --chmod=700 a.txt /p/', ['p/ 755 5:6', 'p/a.txt 700 5:6']],
  ['relative to WORKDIR', 'WORKDIR /w\nCOPY a.txt .', ['w/ 755 0:0', 'w/a.txt 644 0:0']],
  ['a heredoc', 'COPY <<EOF /h\nhello $PATH\nEOF', ['h 644 0:0']],
  [
    'keeping parents',
    'COPY --parents dir/sub/d.txt /k/',
    ['k/ 755 0:0', 'k/dir/ 755 0:0', 'k/dir/sub/ 755 0:0', 'k/dir/sub/d.txt 644 0:0'],
  ],
  ['excluding', 'COPY --exclude=sub dir /e/', ['e/ 755 0:0', 'e/c.txt 644 0:0']],
]
for (const [name, lines, expected] of copies)
  test(`COPY copies ${name}`, async () => {
    const host = await hostWithBase()
    const { paths } = await host.build(`FROM scratch\n${lines}\n`)
    assert.deepEqual(paths, expected)
  })

test('COPY --chown looks names up in the image, and follows its links', async () => {
  const host = await hostWithBase()
  host.step = async () => ({ data: null, link: { link: '/data' } })
  const { paths } = await host.build('FROM base\nRUN links\nCOPY --chown=app a.txt /link/x\n')
  assert.ok(paths.includes('data/x 644 1000:1001'), paths.join('\n'))
})

const failures: [name: string, dockerfile: string, message: RegExp, line: number][] = [
  ['a missing file', 'FROM base\nCOPY nope /\n', /"\/nope"/, 2],
  ['a source outside the context', 'FROM base\nCOPY ../x /\n', /"\/x"/, 2],
  ['a missing image', 'FROM nothere\n', /no such image: nothere/, 1],
  ['a stage that is its own base', 'FROM me AS me\n', /can't be its own base/, 1],
  ['a later stage', 'FROM two AS one\nFROM base AS two\nFROM one\n', /defined later, in line 2/, 1],
  [
    'a stage that copies from itself',
    'FROM base AS me\nCOPY --from=me /a /b\n',
    /circular dependency detected on stage: me/,
    1,
  ],
  ['a missing stage', 'FROM base AS stage\nCOPY --from=stag /a /b\n', /no such image: stag/, 2],
  ['an empty base', 'ARG X\nFROM $X\n', /should not be blank/, 2],
]
for (const [name, text, message, line] of failures)
  test(`${name} is one clear error with its line`, async () => {
    const host = await hostWithBase()
    await assert.rejects(host.build(text), (err: Error & { code?: string; location?: { line: number } }) => {
      assert.match(err.message, message)
      assert.equal(err.location?.line, line)
      return true
    })
  })

test('scratch is for the platform of the build, whatever FROM asks for', async () => {
  const host = await hostWithBase()
  const { configJson } = await host.build('FROM --platform=freebsd/arm64 scratch\nCOPY a.txt /\n')
  assert.deepEqual([configJson.os, configJson.architecture], ['linux', 'amd64'])
})
