/** Images in and out of the store, beside skopeo, podman and umoci, and what is left when all is removed. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, type TestContext, test } from 'node:test'
import {
  type Cli,
  HAS_SUBIDS,
  makeBase,
  openCli,
  removeMapped,
  requireBox,
  sharedCli,
  writeContext,
} from '../helpers/cli.js'
import { Podman } from '../helpers/podman.js'
import { requireProgram, runProgram } from '../helpers/programs.js'
import { savedImage } from '../helpers/saved.js'

const cli = sharedCli()
const podman = new Podman(cli)
const archive = () => join(cli.dir, 'made.tar')
before(() => {
  makeBase(cli)
  cli.build(
    writeContext(cli, {
      Dockerfile: `FROM base
LABEL a=b
RUN mkdir -p /data/gone /data/kept && echo one > /data/gone/f && echo two > /data/kept/f && ln -s kept /data/link \\
 && ln /data/kept/f /data/hard && chmod 4750 /data/hard
RUN rm -r /data/gone && mkdir /data/gone && echo new > /data/gone/g && rm /bin/tty /usr/bin/tty; true
ENV MODE=image
WORKDIR /data
CMD ["sh", "-c", "echo $MODE; pwd; ls -R; cat gone/g kept/f"]
`,
    }),
    ['-t', 'example.com/made:1'],
  )
  cli.ok(['save', '-o', archive(), 'example.com/made:1'])
})
after(async () => {
  podman.reset()
  await removeMapped(cli.dir)
})

const OUTPUT = 'image\n/data\n.:\ngone\nhard\nkept\nlink\n\n./gone:\ng\n\n./kept:\nf\nnew\ntwo\n'

async function requireMade(t: TestContext): Promise<boolean> {
  if (!(await requireBox(t))) return false
  assert.equal(cli.ok(['run', '--rm', 'example.com/made:1']), OUTPUT)
  return true
}

test('skopeo reads a saved archive, as docker archive and as OCI archive', async (t) => {
  if (!(await requireMade(t)) || !requireProgram(t, 'skopeo')) return
  const { Id, RootFS } = JSON.parse(cli.ok(['inspect', 'example.com/made:1']))[0]
  for (const name of [`docker-archive:${archive()}`, `oci-archive:${archive()}:example.com/made:1`]) {
    const config = runProgram('skopeo', ['inspect', '--config', '--raw', name])
    assert.equal(`sha256:${sha256(config)}`, Id, name)
    assert.deepEqual(JSON.parse(config).rootfs.diff_ids, RootFS.Layers)
    const { Layers, Labels } = JSON.parse(runProgram('skopeo', ['inspect', name]))
    assert.equal(Layers.length, RootFS.Layers.length)
    assert.deepEqual(Labels, { a: 'b' })
  }
})

test('podman loads and runs a saved archive, with the same output', async (t) => {
  if (!(await requireMade(t)) || !podman.required(t)) return
  assert.match(podman.ok(['load', '-q', '-i', archive()]), /example\.com\/made:1/)
  assert.equal(`sha256:${podman.ok(['image', 'inspect', '-f', '{{.Id}}', 'example.com/made:1']).trim()}`, idOf(cli))
  const output = podman.runs(t, ['example.com/made:1'])
  if (output !== undefined) assert.equal(output, OUTPUT)
})

const foreign: [what: string, make: (to: string) => void][] = [
  ['a docker archive of podman', (to) => podman.save('docker-archive', to)],
  ['an OCI archive of podman', (to) => podman.save('oci-archive', to)],
  ['an OCI folder of podman', (to) => podman.save('oci-dir', to)],
]
for (const [what, make] of foreign)
  test(`tsbox loads ${what}`, async (t) => {
    if (!(await requireMade(t)) || !podman.required(t)) return
    podman.ok(['load', '-q', '-i', archive()])
    const to = join(cli.dir, what.replaceAll(' ', '-'))
    make(to)
    loadsAndRuns(t, to)
  })

const copies: [what: string, to: string, args: string[]][] = [
  ['an OCI folder with gzip', 'oci:{}:example.com/made:1', ['--dest-compress-format', 'gzip']],
  ['an OCI archive with zstd', 'oci-archive:{}:example.com/made:1', ['--dest-compress-format', 'zstd']],
  ['a docker archive', 'docker-archive:{}:example.com/made:1', []],
]
for (const [what, to, args] of copies)
  test(`tsbox loads ${what} of skopeo`, async (t) => {
    if (!(await requireMade(t)) || !requireProgram(t, 'skopeo')) return
    const path = join(cli.dir, what.replaceAll(' ', '-'))
    const from = `oci-archive:${archive()}:example.com/made:1`
    runProgram('skopeo', ['--insecure-policy', 'copy', '-q', ...args, from, to.replace('{}', path)], { env: cli.env })
    loadsAndRuns(t, path, { sameId: !what.startsWith('a docker') || undefined })
  })

/** Loads into an empty store, where it must be the same image, and what it prints the same. */
function loadsAndRuns(t: TestContext, path: string, expect: { sameId?: boolean | undefined } = {}): void {
  const other = openCli(t)
  const loaded = /^Loaded image(?: ID)?: (.*)$/m.exec(other.ok(['load', '-i', path]))?.[1] ?? 'nothing'
  if (expect.sameId !== false) assert.equal(other.ok(['inspect', '--format', '{{.Id}}', loaded]).trim(), idOf(cli))
  assert.equal(other.ok(['run', '--rm', loaded]), OUTPUT)
  // Files are found in compressed layers, too.
  const context = writeContext(other, {
    Dockerfile: `FROM ${loaded}\nCOPY --from=${loaded} /data/kept/f /copied\nRUN cat /copied > /seen\n`,
  })
  other.build(context, ['-t', 'on-top'])
  assert.equal(other.ok(['run', '--rm', 'on-top', 'cat', '/seen']), 'two\n')
  assert.deepEqual(other.leftovers(), [])
}

test('umoci unpacks the same tree that containers see', async (t) => {
  if (!(await requireMade(t)) || !requireProgram(t, 'umoci')) return
  const layout = join(cli.dir, 'layout')
  mkdirSync(layout)
  runProgram('tar', ['-C', layout, '-xf', archive()])
  const bundle = join(cli.dir, 'bundle')
  runProgram('umoci', ['unpack', '--rootless', '--image', `${layout}:example.com/made:1`, bundle])
  const script = `cd "$0" && find usr bin etc data -exec stat -c "%n %F %a" {} + | sort; find usr/bin data -type f -exec sha256sum {} + | sort`
  const theirs = runProgram('sh', ['-c', script, join(bundle, 'rootfs')], { env: { ...cli.env, LC_ALL: 'C' } })
  const ours = cli.ok(['run', '--rm', '-e', 'LC_ALL=C', 'example.com/made:1', 'sh', '-c', script, '/'])
  // Given by the machine, not by the image.
  const lines = (text: string) => text.split('\n').filter((l) => !/^etc\/(hosts|hostname|resolv\.conf) /.test(l))
  assert.ok(theirs.includes('data/hard'))
  assert.deepEqual(lines(ours), lines(theirs))
})

test('save and load keep ids, names and shared layers', async (t) => {
  if (!(await requireMade(t))) return
  const context = writeContext(cli, { Dockerfile: 'FROM example.com/made:1\nRUN echo more > /more\n' })
  cli.build(context, ['-t', 'more:1', '-t', 'more:2'])
  const path = join(cli.dir, 'two.tar')
  cli.ok(['save', '-o', path, 'example.com/made:1', 'more:1', 'more:2'])
  assert.ok(statSync(path).size < 1.5 * statSync(archive()).size, 'what both have is there once')
  const other = openCli(t)
  assert.deepEqual(other.ok(['load', '-i', path]).trim().split('\n').sort(), [
    'Loaded image: example.com/made:1',
    'Loaded image: more:1',
    'Loaded image: more:2',
  ])
  const ids = (of: Cli) =>
    ['example.com/made:1', 'more:1'].map((name) => of.ok(['inspect', '--format', '{{.Id}}', name]))
  assert.deepEqual(ids(other), ids(cli))
  other.ok(['save', '-o', `${path}.again`, 'example.com/made:1', 'more:1', 'more:2'])
  runProgram('cmp', [path, `${path}.again`])
})

test('an archive may come and go through pipes', async (t) => {
  if (!(await requireMade(t))) return
  const other = openCli(t)
  const script = `"$0" --root "$1" save example.com/made:1 | "$0" --root "$2" load`
  runProgram('sh', ['-c', script, join(process.env.TSBOX_REPO!, 'bin/tsbox'), cli.root, other.root], { env: cli.env })
  assert.equal(other.ok(['run', '--rm', 'example.com/made:1']), OUTPUT)
})

test('a root file system becomes an image', async (t) => {
  if (!(await requireMade(t))) return
  const tar = join(cli.dir, 'root.tar')
  const { files, config } = await savedImage(cli, 'base')
  writeFileSync(tar, files.get(`blobs/sha256/${config.rootfs.diff_ids[0]!.slice(7)}`)!)
  const changes = ['-c', 'ENV A=b', '-c', 'CMD ["sh", "-c", "echo $A"]', '-c', 'WORKDIR /tmp']
  const id = cli.ok(['import', ...changes, tar, 'imported:1']).trim()
  assert.match(id, /^sha256:[0-9a-f]{64}$/)
  assert.equal(cli.ok(['run', '--rm', 'imported:1']), 'b\n')
  assert.equal(cli.ok(['run', '--rm', id, 'sh', '-c', 'pwd']), '/tmp\n')
  const piped = cli.run(['import', '-', 'imported:2'], {
    input: spawnSync('gzip', ['-c', tar], { maxBuffer: 1 << 28 }).stdout,
  })
  assert.equal(piped.code, 0, piped.stderr)
  assert.equal(cli.ok(['run', '--rm', 'imported:2', 'sh', '-c', 'echo up']), 'up\n')
})

test('images are tagged, listed, inspected, and removed with their last name', () => {
  const store = cli
  store.build(writeContext(store, { Dockerfile: 'FROM base\nLABEL only=this\nENV X=1\nCMD ["x"]\n' }), [
    '-t',
    'listed:1',
  ])
  const id = store.ok(['inspect', '--format', '{{.Id}}', 'listed:1']).trim()
  store.ok(['tag', 'listed:1', 'example.com:5000/a/b:2'])
  const line = '{{.Repository}}:{{.Tag}} {{.ID}}'
  assert.equal(store.ok(['images', '--format', line, 'listed']), `listed:1 ${id.slice(7, 19)}\n`)
  assert.equal(store.ok(['images', '-q', '--no-trunc', 'example.com:5000/a/b']), `${id}\n`)
  assert.deepEqual(JSON.parse(store.ok(['inspect', '-f', '{{json .Config.Env}}', id.slice(7, 17)])), [
    'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    'X=1',
  ])
  assert.equal(
    store.ok(['inspect', '-f', '{{index .RepoTags 1}} {{.Config.Labels.only}} {{len .RootFS.Layers}}', id]),
    'listed:1 this 1\n',
  )
  const history = store.ok(['history', '--no-trunc', '--format', '{{.CreatedBy}}', 'listed:1']).trim().split('\n')
  assert.match(history[0]!, /CMD \["x"\]/)
  assert.match(history[1]!, /ENV X=1/)
  assert.match(history[2]!, /LABEL only=this/)
  assert.equal(store.ok(['rmi', 'listed:1']), 'Untagged: listed:1\n')
  assert.match(store.ok(['rmi', 'example.com:5000/a/b:2']), new RegExp(`^Untagged: .*\n(Deleted: .*\n)*Deleted: ${id}`))
  assert.equal(store.run(['inspect', id]).code, 1)
})

test('everything that was built, run and loaded can be pruned to nothing', async (t) => {
  if (!(await requireMade(t))) return
  const store = openCli(t)
  makeBase(store)
  store.ok(['run', '--rm', 'base', 'true'])
  store.ok(['system', 'prune', '-a', '-f'])
  const empty = store.diskBytes()
  makeBase(store)
  const context = writeContext(store, {
    Dockerfile: `FROM base
COPY big /
RUN --mount=type=cache,target=/cache echo > /cache/x && mkdir -p /a/b && chown 5:6 /a && chmod 700 /a && echo > /a/b/c && chown 7 /a/b
RUN mkdir /closed && echo > /closed/x && chown -R 9:9 /closed && chmod 000 /closed
`,
    big: 'x'.repeat(1_000_000),
  })
  store.build(context, ['-t', 'one'])
  if (HAS_SUBIDS) store.build(context, ['-t', 'two', '--userns', 'single'])
  store.ok(['load', '-i', archive()])
  store.ok(['run', '-v', '/anonymous', 'example.com/made:1', 'sh', '-c', 'echo > /anonymous/x; mkdir -m 0 /x'])
  assert.equal(store.run(['run', 'one', 'false']).code, 1)
  store.ok(['save', '-o', join(store.dir, 'one.tar'), 'one'])
  assert.ok(store.diskBytes() > empty + 3_000_000)
  const said = store.ok(['system', 'prune', '-a', '-f'])
  assert.match(said, /^Total reclaimed space: [1-9][\d.]*MB$/m)
  assert.equal(store.diskBytes(), empty, runProgram('find', [store.root]))
  assert.deepEqual(store.images(), [])
  assert.equal(store.ok(['ps', '-a', '-q']), '')
})

function idOf(of: Cli): string {
  return of.ok(['inspect', '--format', '{{.Id}}', 'example.com/made:1']).trim()
}

function sha256(text: string): string {
  return spawnSync('sha256sum', { input: text, encoding: 'utf8' }).stdout.slice(0, 64)
}
