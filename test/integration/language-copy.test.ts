/** COPY, ADD and .dockerignore, looked at in the tree that comes of it: each case is a build without steps. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { pack } from 'tar-stream'
import { type ContextFile, makeBase, openCli, sharedCli, writeContext } from '../helpers/cli.js'
import { assertFailed } from '../helpers/refusal.js'
import { readTar } from '../helpers/saved.js'
import { buildAside, runAside, serve } from '../helpers/web.js'

const cli = sharedCli()
before(() => makeBase(cli))

type Files = Readonly<Record<string, ContextFile>>

/** Every path of what is built as `path mode uid:gid`, with ` = content` of files and ` -> target` of links. */
async function treeOf(files: Files, args: readonly string[] = []): Promise<string[]> {
  const out = join(cli.dir, 'out.tar')
  cli.build(writeContext(cli, files), ['-o', `type=tar,dest=${out}`, ...args])
  return listed(out)
}

async function listed(tar: string): Promise<string[]> {
  return (await readTar(readFileSync(tar))).map((e) => {
    const end = e.type === 'symlink' ? ` -> ${e.link}` : e.type === 'directory' ? '' : ` = ${e.content}`
    const mode = e.type === 'symlink' ? '' : ` ${e.mode.toString(8)}`
    return `${e.path}${e.type === 'directory' ? '/' : ''}${mode} ${e.uid}:${e.gid}${end}`
  })
}

/** The same without modes and owners. */
async function namesOf(files: Files, args?: readonly string[]): Promise<string[]> {
  return (await treeOf(files, args)).map((line) => line.split(' ')[0]!).filter((path) => !path.endsWith('/'))
}

const TREE: Files = {
  a: 'a',
  b: 'b',
  'dir/x': 'x',
  'dir/y.md': 'y',
  'dir/sub/z': 'z',
  'dir/sub/w.md': 'w',
  tool: { text: 't', mode: 0o755 },
  link: { link: 'dir' },
  'dir/inner': { link: 'x' },
  'name[1]': 'one',
  'name*': 'star',
  'sp ace': 'blank',
}

const copies: [name: string, lines: string, tree: string[]][] = [
  ['several files to one name, which the last one gets', 'COPY b a /n', ['n 644 0:0 = a']],
  ['nothing where no name fits a pattern', 'COPY none* /n/', []],
  ['a file to a name', 'COPY a /n', ['n 644 0:0 = a']],
  ['a file into a folder that is not there', 'COPY a /n/', ['n/ 755 0:0', 'n/a 644 0:0 = a']],
  ['a file into a folder that is there', 'COPY a /n/\nCOPY b /n', ['n/ 755 0:0', 'n/a 644 0:0 = a', 'n/b 644 0:0 = b']],
  ['a file over another', 'COPY a /n\nCOPY --chmod=600 b /n', ['n 600 0:0 = b']],
  ['a file to a dot in a WORKDIR', 'WORKDIR /w/d\nCOPY a .', ['w/ 755 0:0', 'w/d/ 755 0:0', 'w/d/a 644 0:0 = a']],
  [
    'the content of a folder, not the folder',
    'COPY dir/sub /n',
    ['n/ 755 0:0', 'n/w.md 644 0:0 = w', 'n/z 644 0:0 = z'],
  ],
  [
    'a folder onto one that is there',
    'COPY a /n/\nCOPY dir/sub/ /n',
    ['n/ 755 0:0', 'n/a 644 0:0 = a', 'n/w.md 644 0:0 = w', 'n/z 644 0:0 = z'],
  ],
  [
    'links inside a folder as links',
    'COPY dir/inner dir/x /n/',
    ['n/ 755 0:0', 'n/inner 644 0:0 = x', 'n/x 644 0:0 = x'],
  ],
  ['what a named link points at', 'COPY link/sub/z /n', ['n 644 0:0 = z']],
  [
    'a linked folder by its content',
    'COPY link /n',
    [
      'n/ 755 0:0',
      'n/inner 0:0 -> x',
      'n/sub/ 755 0:0',
      'n/sub/w.md 644 0:0 = w',
      'n/sub/z 644 0:0 = z',
      'n/x 644 0:0 = x',
      'n/y.md 644 0:0 = y',
    ],
  ],
  ['a name with a bracket, escaped', 'COPY name[[]1] /n/', ['n/ 755 0:0', 'n/name[1] 644 0:0 = one']],
  ['a name with a star, escaped', 'COPY name[*] /n/', ['n/ 755 0:0', 'n/name* 644 0:0 = star']],
  ['a name with a blank', 'COPY ["sp ace", "/to here"]', ['to here 644 0:0 = blank']],
  [
    'what a pattern fits, a letter and a set',
    'COPY [ab] ?ool /n/',
    ['n/ 755 0:0', 'n/a 644 0:0 = a', 'n/b 644 0:0 = b', 'n/tool 755 0:0 = t'],
  ],
  [
    'a pattern that fits folders, by their content',
    'COPY d* /n/',
    [
      'n/ 755 0:0',
      'n/inner 0:0 -> x',
      'n/sub/ 755 0:0',
      'n/sub/w.md 644 0:0 = w',
      'n/sub/z 644 0:0 = z',
      'n/x 644 0:0 = x',
      'n/y.md 644 0:0 = y',
    ],
  ],
  [
    '--chown with folders that it makes',
    'COPY --chown=3:4 a /n/m/',
    ['n/ 755 3:4', 'n/m/ 755 3:4', 'n/m/a 644 3:4 = a'],
  ],
  [
    '--chmod of a tree, folders too',
    'COPY --chmod=750 dir/sub /n',
    ['n/ 755 0:0', 'n/w.md 750 0:0 = w', 'n/z 750 0:0 = z'],
  ],
  ['--chmod in words', 'COPY --chmod=go-r a tool /n/', ['n/ 755 0:0', 'n/a 600 0:0 = a', 'n/tool 711 0:0 = t']],
  [
    '--chmod with X',
    'COPY --chmod=u=rwX,go=X a tool dir /n/',
    [
      'n/ 755 0:0',
      'n/a 600 0:0 = a',
      'n/inner 0:0 -> x',
      'n/sub/ 711 0:0',
      'n/sub/w.md 600 0:0 = w',
      'n/sub/z 600 0:0 = z',
      'n/tool 711 0:0 = t',
      'n/x 600 0:0 = x',
      'n/y.md 600 0:0 = y',
    ],
  ],
  ['--chmod with a sticky bit', 'COPY --chmod=1777 dir/sub/z /n', ['n 1777 0:0 = z']],
  ['--chmod of a variable', 'ARG M=u+x\nCOPY --chmod=$M a /n', ['n 744 0:0 = a']],
  ['--link', 'COPY --link --chown=5:6 --chmod=640 a /n/m/', ['n/ 755 5:6', 'n/m/ 755 5:6', 'n/m/a 640 5:6 = a']],
  [
    '--parents',
    'COPY --parents dir/sub/z a /n/',
    ['n/ 755 0:0', 'n/a 644 0:0 = a', 'n/dir/ 755 0:0', 'n/dir/sub/ 755 0:0', 'n/dir/sub/z 644 0:0 = z'],
  ],
  [
    '--parents below a pivot',
    'COPY --parents dir/./sub/z dir/./x /n',
    ['n/ 755 0:0', 'n/sub/ 755 0:0', 'n/sub/z 644 0:0 = z', 'n/x 644 0:0 = x'],
  ],
  [
    '--parents with patterns of several levels',
    'COPY --parents ./**/*.md /n/',
    ['n/ 755 0:0', 'n/dir/ 755 0:0', 'n/dir/sub/ 755 0:0', 'n/dir/sub/w.md 644 0:0 = w', 'n/dir/y.md 644 0:0 = y'],
  ],
  [
    'all but what several --exclude name',
    'COPY --exclude=sub/z --exclude=*.md --exclude=inner dir /n',
    ['n/ 755 0:0', 'n/sub/ 755 0:0', 'n/sub/w.md 644 0:0 = w', 'n/x 644 0:0 = x'],
  ],
  [
    'all but what --exclude names at any depth',
    'COPY --exclude=**/*.md dir /n',
    ['n/ 755 0:0', 'n/inner 0:0 -> x', 'n/sub/ 755 0:0', 'n/sub/z 644 0:0 = z', 'n/x 644 0:0 = x'],
  ],
  [
    '--exclude with an exception',
    'COPY --exclude=sub --exclude=!sub/z dir /n',
    [
      'n/ 755 0:0',
      'n/inner 0:0 -> x',
      'n/sub/ 755 0:0',
      'n/sub/z 644 0:0 = z',
      'n/x 644 0:0 = x',
      'n/y.md 644 0:0 = y',
    ],
  ],
  [
    '--exclude and --parents',
    'COPY --parents --exclude=dir/sub/w.md dir/sub /n/',
    ['n/ 755 0:0', 'n/dir/ 755 0:0', 'n/dir/sub/ 755 0:0', 'n/dir/sub/z 644 0:0 = z'],
  ],
  [
    'several here-documents with a file',
    'COPY <<one <<"two" a /n/\n1\none\n2 $X\ntwo',
    ['n/ 755 0:0', 'n/a 644 0:0 = a', 'n/one 644 0:0 = 1\n', 'n/two 644 0:0 = 2 $X\n'],
  ],
  ['a here-document without line breaks of its own', 'COPY <<-E /n\n\t\tx\n\tE', ['n 644 0:0 = x\n']],
  ['sources whose names are variables', 'ARG F=a D=/n/\nCOPY ${F} "$D"', ['n/ 755 0:0', 'n/a 644 0:0 = a']],
  [
    'sources that begin with a slash or leave the context',
    'COPY /a ../b ./tool /n/',
    ['n/ 755 0:0', 'n/a 644 0:0 = a', 'n/b 644 0:0 = b', 'n/tool 755 0:0 = t'],
  ],
]

for (const [name, lines, tree] of copies)
  test(`COPY copies ${name}`, async () => {
    assert.deepEqual(await treeOf({ ...TREE, Dockerfile: `FROM scratch\n${lines}\n` }), tree)
  })

const stages: [name: string, lines: string, tree: string[]][] = [
  [
    'through a link of the stage to a folder',
    'FROM from\nCOPY --from=from /abs/f /n',
    ['abs 0:0 -> /real', 'n 644 7:8 = f', 'real/ 755 7:8', 'real/f 644 7:8 = f', 'rel 0:0 -> real'],
  ],
  [
    'a link of the stage that leads out of it, inside it',
    'FROM scratch\nCOPY --from=out /way/real/f /n',
    ['n 644 7:8 = f'],
  ],
  [
    'into a linked folder, that stays a link',
    'FROM from\nCOPY a /rel/',
    ['abs 0:0 -> /real', 'real/ 755 7:8', 'real/a 644 0:0 = a', 'real/f 644 7:8 = f', 'rel 0:0 -> real'],
  ],
  ['over a link to a file, which it follows', 'FROM files\nCOPY --chmod=600 a /tof', ['f 600 0:0 = a', 'tof 0:0 -> f']],
  ['with owners of the stage', 'FROM scratch\nCOPY --from=from /real /n', ['n/ 755 0:0', 'n/f 644 7:8 = f']],
  ['with owners of its own', 'FROM scratch\nCOPY --from=from --chown=1 /real /n', ['n/ 755 1:1', 'n/f 644 1:1 = f']],
  ['from a stage by number', 'FROM scratch\nCOPY --from=0 /real/f /', ['f 644 7:8 = f']],
  [
    '--link through no link of what is below',
    'FROM from\nCOPY --link a /rel/',
    ['abs 0:0 -> /real', 'real/ 755 7:8', 'real/f 644 7:8 = f', 'rel/ 755 0:0', 'rel/a 644 0:0 = a'],
  ],
]

const STAGES = `FROM scratch AS from
COPY --chown=7:8 f /real/
COPY links /
FROM from AS out
COPY out /
FROM scratch AS files
COPY f files /
`
const STAGE_FILES: Files = {
  a: 'a',
  f: 'f',
  'links/rel': { link: 'real' },
  'links/abs': { link: '/real' },
  'out/way': { link: '../../..' },
  'files/tof': { link: 'f' },
}

for (const [name, lines, tree] of stages)
  test(`COPY --from copies ${name}`, async () => {
    assert.deepEqual(await treeOf({ ...STAGE_FILES, Dockerfile: `${STAGES}${lines}\n` }), tree)
  })

const refused: [lines: string, message: RegExp][] = [
  ['COPY none /n/', /"\/none"/],
  ['COPY a /n\nCOPY dir /n', /n"?/],
  ['COPY dir /n\nCOPY a /n/sub/z/', /./],
  ['COPY --chmod=9 a /n', /chmod/],
  ['COPY --chmod=u+q a /n', /chmod/],
  ['COPY --from=none a /n', /none/],
  ['ADD --checksum=sha256:00 a /n', /checksum/],
  ['COPY --unpack=true a /n', /unknown flag: --?unpack/],
  ['COPY --link=maybe a /n', /link/],
]
for (const [lines, message] of refused)
  test(`refused: ${lines.replaceAll('\n', '; ')}`, () => {
    const context = writeContext(cli, { ...TREE, Dockerfile: `FROM scratch\n${lines}\n` })
    const ran = cli.run(['build', '--progress', 'plain', context])
    assert.equal(ran.code, 1, ran.stderr)
    assert.match(ran.stderr, message)
  })

async function archive(name: string): Promise<Buffer> {
  const tar = pack()
  tar.entry({ name: 'in/', type: 'directory', mode: 0o700, uid: 9, gid: 9 })
  tar.entry({ name: `in/${name}`, mode: 0o640, uid: 7, gid: 8 }, name)
  tar.finalize()
  const chunks: Buffer[] = []
  for await (const chunk of tar) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

test('ADD extracts local archives, --unpack=false keeps them, and fetched ones are the other way round', async (t) => {
  const one = await archive('one')
  const two = gzipSync(await archive('two'))
  const web = await serve(t, { '/three.tgz': { body: gzipSync(await archive('three')) } })
  const out = join(cli.dir, 'out.tar')
  const paths = async (lines: string) => {
    const files = {
      Dockerfile: `FROM scratch\n${lines}\n`,
      '1.tar': { text: one },
      '2.tar': { text: two },
      'fake.tar': 'no archive',
    }
    await buildAside(cli, ['-o', `type=tar,dest=${out}`, writeContext(cli, files)])
    return (await listed(out)).map((line) => line.replace(/ = .{20}.*$/s, ''))
  }
  const both = ['n/ 755 0:0', 'n/in/ 700 9:9', 'n/in/one 640 7:8 = one', 'n/in/two 640 7:8 = two']
  assert.deepEqual(await paths('ADD 1.tar 2.tar /n/'), both)
  assert.deepEqual(await paths('ADD [12].tar /n'), both)
  assert.deepEqual(await paths('ADD --chown=5:5 1.tar /n'), ['n/ 755 5:5', 'n/in/ 700 9:9', 'n/in/one 640 7:8 = one'])
  assert.deepEqual(await paths('ADD fake.tar /n/'), ['n/ 755 0:0', 'n/fake.tar 644 0:0 = no archive'])
  assert.deepEqual(await paths('ADD --unpack=false 1.tar /n/'), ['n/ 755 0:0', 'n/1.tar 644 0:0'])
  assert.deepEqual(await paths('COPY 1.tar /n/'), ['n/ 755 0:0', 'n/1.tar 644 0:0'])
  const url = `${web.url}/three.tgz`
  assert.deepEqual(await paths(`ADD ${url} /n/`), ['n/ 755 0:0', 'n/three.tgz 600 0:0'])
  assert.deepEqual(await paths(`ADD --unpack=false ${url} /n/`), ['n/ 755 0:0', 'n/three.tgz 600 0:0'])
  assert.deepEqual(await paths(`ADD --unpack ${url} /n`), ['n/ 755 0:0', 'n/in/ 700 9:9', 'n/in/three 640 7:8 = three'])
  const wrong = writeContext(cli, { Dockerfile: `FROM scratch\nADD --checksum=sha256:${'0'.repeat(64)} ${url} /n\n` })
  const ran = await runAside(cli, ['build', wrong])
  assert.equal(ran.code, 1)
  assert.match(ran.log, /digest mismatch sha256:[0-9a-f]{64}: sha256:0{64}/)
})

const IGNORED: Files = {
  a: '',
  'a.log': '',
  'b.log': '',
  'docs/a.md': '',
  'docs/b.md': '',
  'docs/deep/a.md': '',
  'docs/deep/c': '',
  'tmp/x/keep': '',
  'tmp/x/drop': '',
  'tmp/y/drop': '',
  'sp ace': '',
  '#name': '',
  '!bang': '',
}
const rest = (...gone: string[]) =>
  Object.keys(IGNORED)
    .filter((path) => !gone.includes(path))
    .sort()

const ignores: [name: string, text: string | Buffer, left: string[]][] = [
  ['nothing', '', rest()],
  ['comments and empty lines', '# a\n\n   \n#b.log\n', rest()],
  ['a byte order mark before the first pattern', '\ufeffa\n', rest('a')],
  ['a byte order mark before a comment', '\ufeff# x\nb.log', rest('b.log')],
  ['carriage returns', 'a\r\nb.log\r\n', rest('a', 'b.log')],
  ['blanks around a pattern', '  a  \t\n', rest('a')],
  ['a comment that begins with a blank is a pattern', ' #name\n', rest('#name')],
  ['blanks after an exclamation mark', '*.log\n!  a.log\n', rest('b.log')],
  ['a leading slash', '/a\n/docs/a.md\n', rest('a', 'docs/a.md')],
  ['dots and slashes', './a\ndocs//deep/\ntmp/./x/../y\n', rest('a', 'docs/deep/a.md', 'docs/deep/c', 'tmp/y/drop')],
  ['a star stays within a name', 'docs/*.md\n', rest('docs/a.md', 'docs/b.md')],
  ['a name is not looked for below', 'a.md\n', rest()],
  ['two stars are any number of folders', '**/a.md\n', rest('docs/a.md', 'docs/deep/a.md')],
  ['two stars between', 'docs/**/a.md\n', rest('docs/a.md', 'docs/deep/a.md')],
  ['two stars at the end', 'docs/**\n', rest('docs/a.md', 'docs/b.md', 'docs/deep/a.md', 'docs/deep/c')],
  ['everything but', '**\n!docs/deep\n', ['docs/deep/a.md', 'docs/deep/c']],
  ['everything but, with one star', '*\n!docs/*.md\n', ['docs/a.md', 'docs/b.md']],
  ['an exception below a folder that is left out', 'tmp\n!tmp/x/keep\n', rest('tmp/x/drop', 'tmp/y/drop')],
  ['the last pattern counts', '*.log\n!a.log\na.*\n', rest('a.log', 'b.log')],
  ['an exception before what it is of', '!a.log\n*.log\n', rest('a.log', 'b.log')],
  ['a set and a letter', '[ab].log\n?\n', rest('a.log', 'b.log', 'a')],
  ['an escaped exclamation mark', '\\!bang\n', rest('!bang')],
  ['a name with a blank', 'sp ace\n', rest('sp ace')],
  ['a path outside', '../a\n', rest()],
]
for (const [name, text, left] of ignores)
  test(`.dockerignore: ${name}`, async () => {
    const Dockerfile = 'FROM scratch\nCOPY . /\n'
    const always = (path: string) => path !== 'Dockerfile' && path !== '.dockerignore'
    const out = join(cli.dir, 'out.tar')
    cli.build(writeContext(cli, { ...IGNORED, Dockerfile, '.dockerignore': { text } }), ['-o', `type=tar,dest=${out}`])
    const found = (await readTar(readFileSync(out))).filter((e) => e.type === 'file').map((e) => e.path)
    assert.deepEqual(found.filter(always).sort(), left)
  })

test('COPY --link takes owners by the names that the image has', async () => {
  const passwd = 'root:x:0:0::/:/bin/sh\napp:x:12:34::/:/bin/sh\n'
  const Dockerfile = 'FROM scratch\nCOPY etc /etc\nCOPY --link --chown=app a /n\nCOPY --link --chown=app:web a /m\n'
  const tree = await treeOf({ a: 'a', 'etc/passwd': passwd, 'etc/group': 'web:x:80:\n', Dockerfile })
  assert.deepEqual(
    tree.filter((line) => !line.startsWith('etc')),
    ['m 644 12:80 = a', 'n 644 12:34 = a'],
  )
})

test('.dockerignore: one of the Dockerfile comes before that of the context, also in a folder', async () => {
  const Dockerfile = 'FROM scratch\nCOPY . /\n'
  const files = {
    Dockerfile,
    a: '',
    b: '',
    c: '',
    '.dockerignore': 'a\n',
    'Dockerfile.dockerignore': 'b\n',
    'in/other': Dockerfile,
    'in/other.dockerignore': 'c\nin\n*ocker*\n',
  }
  assert.deepEqual(await namesOf({ ...files, '.dockerignore': 'a\n.dockerignore\nin\nD*' }), [
    '.dockerignore',
    'Dockerfile',
    'Dockerfile.dockerignore',
    'a',
    'c',
    'in/other',
    'in/other.dockerignore',
  ])
  const context = writeContext(cli, files)
  const out = join(cli.dir, 'out.tar')
  cli.build(context, ['-f', join(context, 'in/other'), '-o', `type=tar,dest=${out}`])
  assert.deepEqual(
    (await listed(out)).map((line) => line.split(' ')[0]),
    ['a', 'b'],
  )
})

test('.dockerignore may leave out the Dockerfile and itself: they are read, and not copied', async (t) => {
  assert.deepEqual(
    await namesOf({ a: '', Dockerfile: 'FROM scratch\nCOPY . /\n', '.dockerignore': 'Dockerfile\n.dockerignore\n' }),
    ['a'],
  )
  const context = writeContext(openCli(t), {
    Dockerfile: 'FROM scratch\nCOPY Dockerfile /\n',
    '.dockerignore': 'Dockerfile\n',
  })
  assertFailed(cli.run(['build', context]), { code: 1, message: /"\/Dockerfile"/ })
})

test('a pattern that is none is told with its text', (t) => {
  const context = writeContext(openCli(t), { Dockerfile: 'FROM scratch\nCOPY . /\n', '.dockerignore': 'a[\n' })
  assertFailed(cli.run(['build', context]), { code: 1, message: /pattern.*"a\["/ })
})
