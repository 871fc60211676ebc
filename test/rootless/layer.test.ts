import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, lstatSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Entry, EntrySink, EntryWithContent } from '../../src/layer/entry.js'
import { HelperError } from '../../src/rootless/error.js'
import { type Box, ID_MODES, openBox } from '../helpers/userns.js'

type Fields = Partial<Entry> & { content?: string }

/** An entry from its path, its type and what is not the default. */
function entry(path: string, type: Entry['type'], fields: Fields = {}): EntryWithContent {
  const { content, ...rest } = fields
  const bytes = content === undefined ? undefined : Buffer.from(content, 'latin1')
  const bare = type === 'whiteout' || type === 'opaque'
  const mode = bare ? 0 : type === 'symlink' ? 0o777 : type === 'dir' ? 0o755 : 0o644
  const size = bytes?.length ?? 0
  return {
    entry: { path, type, mode, uid: 0, gid: 0, mtime: bare ? 0 : 1600000000, size, ...rest },
    ...(bytes ? { content: [bytes] } : {}),
  }
}

class Collector implements EntrySink {
  readonly entries: Entry[] = []
  readonly contents = new Map<string, string>()

  entry(e: Entry): void {
    this.entries.push(e)
  }

  data(chunk: Uint8Array): void {
    const path = this.entries.at(-1)!.path
    this.contents.set(path, (this.contents.get(path) ?? '') + Buffer.from(chunk).toString('latin1'))
  }
}

async function walked(box: Box, dir: string, content = true): Promise<Collector> {
  const sink = new Collector()
  await box.agent.walk(dir, { content }, sink)
  return sink
}

/** Makes a chain of directories longer than a path may be. */
function digDeep(dir: string): void {
  const dig = "for (let i = 0; i < 1500; i++) { fs.mkdirSync('dddd'); process.chdir('dddd') }"
  execFileSync(process.execPath, ['-e', dig], { cwd: dir })
}

const CAPABILITY = Uint8Array.from(Buffer.from('0100000200040000000000000000000000000000', 'hex'))
const BIG = 'x'.repeat(300_000)

const LAYER: EntryWithContent[] = [
  entry('big', 'file', { content: BIG, mode: 0o600, uid: 1, gid: 65534, mtime: -7 }),
  entry('caps', 'file', {
    content: 'x',
    mode: 0o6755,
    gid: 5,
    xattrs: [
      ['security.capability', CAPABILITY],
      ['user.note', Buffer.from('hi')],
    ].map(([n, v]) => [n as string, Uint8Array.from(v as Uint8Array)] as const),
  }),
  entry('closed', 'dir', { mode: 0, uid: 33, gid: 33, mtime: 1 }),
  entry('closed/inner', 'file', { content: 'secret', mode: 0, uid: 33 }),
  entry('dev', 'dir', { mode: 0o1777, mtime: 5 }),
  entry('dev/disk', 'block', { major: 259, minor: 300, mode: 0o660, gid: 6 }),
  entry('dev/null', 'char', { major: 1, minor: 3, mode: 0o666, uid: 9 }),
  entry('dev/pipe', 'fifo', { mode: 0o622, uid: 4, gid: 8 }),
  entry('empty', 'file', { uid: 1000, gid: 1000 }),
  entry('link', 'symlink', { link: '/etc/passwd', uid: 3, gid: 4, mtime: 2 }),
  entry('n\udcff\udc80', 'file', { content: 'bytes' }),
  entry('n\udcff\udc80.also', 'hardlink', { link: 'n\udcff\udc80' }),
  entry('over', 'dir', {}),
  entry('over', 'opaque', {}),
  entry('over/gone', 'whiteout', {}),
  entry('over/link', 'symlink', { link: 'gone' }),
  entry('over/link2', 'hardlink', { link: 'over/link', mode: 0o777 }),
]

for (const candidate of ID_MODES) {
  const { mode } = candidate

  test(`${mode}: a walk yields what an apply wrote`, async (t) => {
    const box = await openBox(t, candidate)
    if (!box) return
    const dir = box.folder('layer/fs')
    await box.agent.apply(dir, LAYER)
    const { entries, contents } = await walked(box, dir)
    assert.deepEqual(
      entries,
      LAYER.map((e) => e.entry),
    )
    assert.equal(contents.get('big'), BIG)
    assert.equal(contents.get('closed/inner'), 'secret')
    const bare = await walked(box, dir, false)
    assert.deepEqual(bare.entries, entries)
    assert.equal(bare.contents.size, 0)
  })

  test(`${mode}: what a walk yields, applied, walks the same`, async (t) => {
    const box = await openBox(t, candidate)
    if (!box) return
    const first = box.folder('a/fs')
    const second = box.folder('b/fs')
    await box.agent.apply(first, LAYER)
    const { entries, contents } = await walked(box, first)
    await box.agent.apply(
      second,
      entries.map((e) => ({ entry: e, content: [Buffer.from(contents.get(e.path) ?? '', 'latin1')] })),
    )
    assert.deepEqual((await walked(box, second)).entries, entries)
  })

  test(`${mode}: a later entry replaces an earlier one of another type`, async (t) => {
    const box = await openBox(t, candidate)
    if (!box) return
    const dir = box.folder('layer/fs')
    await box.agent.apply(dir, [
      entry('a', 'dir'),
      entry('a/b', 'dir'),
      entry('a/b/c', 'file', { content: 'old' }),
      entry('a', 'file', { content: 'new' }),
      entry('f', 'file', { uid: 7 }),
      entry('f', 'symlink', { link: 'a' }),
      entry('l', 'symlink', { link: 'a', uid: 8 }),
      entry('l', 'dir', {}),
      entry('l/x', 'file', {}),
      entry('m', 'dir', { uid: 5 }),
      entry('m', 'dir', { mtime: 3 }),
    ])
    const { entries, contents } = await walked(box, dir)
    assert.deepEqual(
      entries.map((e) => `${e.path} ${e.type} ${e.uid}`),
      ['a file 0', 'f symlink 0', 'l dir 0', 'l/x file 0', 'm dir 0'],
    )
    assert.equal(entries.at(-1)?.mtime, 3)
    assert.equal(contents.get('a'), 'new')
  })

  test(`${mode}: a directory where the layer removed something is opaque`, async (t) => {
    const box = await openBox(t, candidate)
    if (!box) return
    const dir = box.folder('layer/fs')
    await box.agent.apply(dir, [
      entry('a', 'whiteout'),
      entry('a', 'dir'),
      entry('b', 'dir'),
      entry('b', 'whiteout'),
      entry('c', 'file'),
      entry('c', 'whiteout'),
    ])
    const { entries } = await walked(box, dir)
    assert.deepEqual(
      entries.map((e) => `${e.path} ${e.type}`),
      ['a dir', 'a opaque', 'b dir', 'b opaque', 'c file'],
    )
  })

  test(`${mode}: parents that are missing are made, and followed where they are links`, async (t) => {
    const box = await openBox(t, candidate)
    if (!box) return
    const dir = box.folder('layer/fs')
    await box.agent.apply(dir, [
      entry('usr/lib/x', 'file', { content: '1' }),
      entry('lib', 'symlink', { link: '/usr/lib' }),
      entry('lib/y', 'file', { content: '2' }),
    ])
    const { entries } = await walked(box, dir)
    const paths = entries.map((e) => e.path)
    assert.deepEqual(paths, ['lib', 'usr', 'usr/lib', 'usr/lib/x', 'usr/lib/y'])
    assert.equal(entries[1]!.mode, 0o755)
  })

  test(`${mode}: attributes that belong to overlayfs or to tsbox are not taken from a layer`, async (t) => {
    const box = await openBox(t, candidate)
    if (!box) return
    const dir = box.folder('layer/fs')
    const value = Uint8Array.of(0x79)
    const xattrs = [
      ['trusted.overlay.opaque', value],
      ['user.overlay.opaque', value],
      ['user.overlay.redirect', value],
      ['user.tsbox.device', Buffer.from('c:1:1')],
      ['user.z', value],
    ] as const
    await box.agent.apply(dir, [entry('d', 'dir', { xattrs }), entry('f', 'file', { xattrs })])
    const { entries } = await walked(box, dir)
    assert.deepEqual(
      entries.map((e) => [e.path, e.type, e.xattrs?.map((x) => x[0])]),
      [
        ['d', 'dir', ['user.z']],
        ['f', 'file', ['user.z']],
      ],
    )
  })

  test(`${mode}: a socket is no part of a layer`, async (t) => {
    const box = await openBox(t, candidate)
    if (!box) return
    const dir = box.folder('layer/fs')
    const server = createServer().listen(join(dir, 'socket'))
    t.after(() => server.close())
    writeFileSync(join(dir, 'file'), '')
    const { entries } = await walked(box, dir)
    assert.deepEqual(
      entries.map((e) => e.path),
      ['file'],
    )
  })

  test(`${mode}: siblings come in the order of their bytes`, async (t) => {
    const box = await openBox(t, candidate)
    if (!box) return
    const dir = box.folder('layer/fs')
    for (const name of ['b', 'a-', 'a', 'a.b', 'Z', 'é', '0']) mkdirSync(join(dir, name))
    writeFileSync(join(dir, 'a/z'), '')
    const { entries } = await walked(box, dir)
    assert.deepEqual(
      entries.map((e) => e.path),
      ['0', 'Z', 'a', 'a/z', 'a-', 'a.b', 'b', 'é'],
    )
  })

  test(`${mode}: a tree deeper than a path may be long is walked`, async (t) => {
    const box = await openBox(t, candidate)
    if (!box) return
    const dir = box.folder('layer/fs')
    digDeep(dir)
    const { entries } = await walked(box, dir)
    assert.equal(entries.length, 1500)
    assert.equal(entries.at(-1)!.path.length, 1500 * 5 - 1)
  })

  const hostile: [name: string, entries: EntryWithContent[]][] = [
    ['climbs', [entry('../canary', 'file', { content: 'x' })]],
    ['climbs in the middle', [entry('a/../../canary', 'file', { content: 'x' })]],
    ['is absolute', [entry('/canary', 'file', { content: 'x' })]],
    ['ends with a slash', [entry('a/', 'dir')]],
    ['has an empty name', [entry('a//b', 'file')]],
    ['has a dot for a name', [entry('./canary', 'file')]],
    ['is a hard link to the outside', [entry('h', 'hardlink', { link: '../canary' })]],
    ['is a hard link to an absolute path', [entry('h', 'hardlink', { link: '/etc/passwd' })]],
    [
      'is a hard link through a link',
      [entry('up', 'symlink', { link: '..' }), entry('h', 'hardlink', { link: 'up/canary' })],
    ],
    ['is a file in place of the root', [entry('', 'file', { content: 'x' })]],
    [
      'has less content than announced',
      [{ entry: entry('s', 'file', { size: 9 }).entry, content: [Buffer.from('x')] }],
    ],
    [
      'has more content than announced',
      [{ entry: entry('s', 'file', { size: 1 }).entry, content: [Buffer.from('xyz')] }],
    ],
  ]
  for (const [name, entries] of hostile)
    test(`${mode}: an entry that ${name} is refused`, async (t) => {
      const box = await openBox(t, candidate)
      if (!box) return
      const dir = box.folder('layer/fs')
      const canary = join(dir, '../canary')
      writeFileSync(canary, 'untouched')
      await assert.rejects(box.agent.apply(dir, entries), HelperError)
      assert.equal(readFileSync(canary, 'utf8'), 'untouched')
      assert.equal(statSync(canary).nlink, 1)
    })

  const contained: [name: string, entries: EntryWithContent[]][] = [
    [
      'through a relative link',
      [entry('up', 'symlink', { link: '../..' }), entry('up/canary', 'file', { content: 'x', uid: 5 })],
    ],
    [
      'through an absolute link',
      [entry('root', 'symlink', { link: '/' }), entry('root/canary', 'file', { content: 'x' })],
    ],
    [
      'through a link made of links',
      [
        entry('a', 'symlink', { link: 'b/..' }),
        entry('b', 'symlink', { link: '/..' }),
        entry('a/canary', 'file', { content: 'x' }),
      ],
    ],
    [
      'over a link of its name',
      [entry('canary', 'symlink', { link: '../canary' }), entry('canary', 'file', { content: 'x' })],
    ],
    [
      'as a directory over a link',
      [
        entry('d', 'symlink', { link: '..' }),
        entry('d', 'dir', { mode: 0o700 }),
        entry('d/canary', 'file', { content: 'x' }),
      ],
    ],
    ['as a whiteout through a link', [entry('up', 'symlink', { link: '..' }), entry('up/canary', 'whiteout')]],
  ]
  for (const [name, entries] of contained)
    test(`${mode}: a write ${name} stays inside`, async (t) => {
      const box = await openBox(t, candidate)
      if (!box) return
      const dir = box.folder('layer/fs')
      const canary = join(dir, '../canary')
      writeFileSync(canary, 'untouched')
      const before = lstatSync(join(dir, '..'))
      await box.agent.apply(dir, entries).catch((err) => assert.ok(err instanceof HelperError))
      assert.equal(readFileSync(canary, 'utf8'), 'untouched')
      assert.equal(lstatSync(join(dir, '..')).mode, before.mode)
      assert.equal(existsSync(join(dir, '../../canary')), false)
    })

  test(`${mode}: an apply stops a source whose layer is refused, and its lane serves on`, async (t) => {
    const box = await openBox(t, candidate)
    if (!box) return
    let given = 0
    let finished = false
    async function* endless(): AsyncGenerator<EntryWithContent> {
      try {
        yield entry('../x', 'file')
        for (;;) {
          given++
          yield entry(`f${given}`, 'file', { content: BIG })
        }
      } finally {
        finished = true
      }
    }
    const dir = box.folder('layer/fs')
    await assert.rejects(box.agent.apply(dir, endless()), { stage: 'apply', errno: 'EINVAL', detail: '../x' })
    assert.ok(finished)
    // Twice as often as there are lanes.
    for (let i = 0; i < 24; i++) await box.agent.apply(dir, [entry('ok', 'file')])
    assert.deepEqual(
      (await walked(box, dir)).entries.map((e) => e.path),
      ['ok'],
    )
  })

  test(`${mode}: the source's own error comes out of an apply`, async (t) => {
    const box = await openBox(t, candidate)
    if (!box) return
    function* failing(): Generator<EntryWithContent> {
      yield entry('a', 'file')
      throw new RangeError('torn')
    }
    await assert.rejects(box.agent.apply(box.folder('layer/fs'), failing()), RangeError)
  })

  test(`${mode}: a sink's own error comes out of a walk`, async (t) => {
    const box = await openBox(t, candidate)
    if (!box) return
    const dir = box.folder('layer/fs')
    for (let i = 0; i < 100; i++) writeFileSync(join(dir, `${i}`), BIG)
    const sink: EntrySink = {
      entry() {
        throw new RangeError('full')
      },
      data() {},
    }
    await assert.rejects(box.agent.walk(dir, { content: true }, sink), RangeError)
    assert.equal((await walked(box, dir, false)).entries.length, 100)
  })

  test(`${mode}: remove takes closed directories and deep trees, and leaves what links name`, async (t) => {
    const box = await openBox(t, candidate)
    if (!box) return
    const dir = box.folder('layer/fs')
    await box.agent.apply(dir, LAYER)
    symlinkSync(box.folder('kept'), join(dir, 'to-kept'))
    digDeep(dir)
    await box.agent.remove([dir, join(box.dir, 'absent')])
    assert.equal(existsSync(dir), false)
    symlinkSync(box.folder('kept'), dir)
    await box.agent.remove([dir])
    assert.equal(existsSync(dir), false)
    assert.ok(existsSync(join(box.dir, 'kept')))
  })

  test(`${mode}: read streams files in order and follows no link`, async (t) => {
    const box = await openBox(t, candidate)
    if (!box) return
    const a = box.folder('a/fs')
    const b = box.folder('b/fs')
    await box.agent.apply(a, LAYER)
    writeFileSync(join(b, 'f'), 'second')
    const seen: string[] = []
    const files = [
      { root: a, path: 'closed/inner' },
      { root: a, path: 'big' },
      { root: a, path: 'empty' },
      { root: b, path: 'f' },
    ]
    await box.agent.read(
      files,
      (i) => (seen[i] = ''),
      (chunk) => (seen[seen.length - 1] += Buffer.from(chunk).toString('latin1')),
    )
    assert.deepEqual(seen, ['secret', BIG, '', 'second'])
    for (const path of ['link', 'absent', '../b/fs/f', '/etc/passwd', 'dev'])
      await assert.rejects(
        box.agent.read(
          [{ root: a, path }],
          () => {},
          () => {},
        ),
        { stage: 'read' },
      )
  })

  test(`${mode}: more requests than lanes are all answered`, async (t) => {
    const box = await openBox(t, candidate)
    if (!box) return
    const dirs = Array.from({ length: 40 }, (_, i) => box.folder(`l${i}/fs`))
    await Promise.all(dirs.map((dir) => box.agent.apply(dir, LAYER)))
    const counts = await Promise.all(dirs.map(async (dir) => (await walked(box, dir)).entries.length))
    assert.deepEqual(new Set(counts), new Set([LAYER.length]))
  })
}
