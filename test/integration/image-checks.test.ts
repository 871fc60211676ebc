/** Images compared, verified, measured and pruned. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { type Cli, makeBase, openCli, removeMapped, requireBox, sharedCli, writeContext } from '../helpers/cli.js'

const cli = sharedCli()
after(() => removeMapped(cli.dir))
before(() => makeBase(cli))

const DIGEST = /sha256:[0-9a-f]{64}/

/** Images of COPY only, which needs no namespaces: `one` and `two` differ in known ways. */
function makePair(on: Cli): void {
  const first = writeContext(on, { Dockerfile: 'FROM scratch\nCOPY f g /d/\nENV X=1\n', f: 'same', g: 'old!' })
  const second = writeContext(on, {
    Dockerfile: 'FROM scratch\nCOPY f g /d/\nCOPY --chmod=600 h /d/\nENV X=2\nLABEL k=v two=2\n',
    f: 'same',
    g: 'new!',
    h: 'more',
  })
  on.build(first, ['-t', 'one'])
  on.build(second, ['-t', 'two'])
}

test('image diff tells configs and files apart, contents of one size too', (t) => {
  const other = openCli(t)
  makePair(other)
  const text = other.ok(['image', 'diff', 'one', 'two'])
  assert.match(text, /^--- one sha256:\w+\n\+\+\+ two sha256:\w+\nconfig\n/)
  assert.match(text, / {2}config\.Env: .*"X=1".* → .*"X=2"/)
  assert.match(text, / {2}config\.Labels\.k: \(none\) → "v"\n/)
  assert.match(text, /\n {2}~ \/d\/g {2}content\n {2}\+ \/d\/h {2}4B\nfiles: 1 added, 0 removed, 1 changed, \+4B\n$/)
  assert.doesNotMatch(text, /\/d\/f/)
  const json = JSON.parse(other.ok(['image', 'diff', '--format', 'json', 'two', 'one']))
  assert.deepEqual(
    json.paths.map((p: { path: string; kind: string }) => `${p.kind} ${p.path}`),
    ['changed d/g', 'removed d/h'],
  )
  assert.equal(other.run(['image', 'diff', '--exit-code', 'one', 'two']).code, 1)
  assert.equal(other.run(['image', 'diff', '--exit-code', 'one', 'one']).code, 0)
})

test('image diff sees modes, links, types and what steps removed', async (t) => {
  if (!(await requireBox(t))) return
  const steps = 'echo a > /f && ln -s f /l && mkdir /d && echo x > /gone'
  const context = writeContext(cli, { Dockerfile: `FROM base AS a\nRUN ${steps}\n` })
  cli.build(context, ['-t', 'before'])
  const changes = 'chmod 4711 /f && rm -r /l /gone /d && ln -s d /l && echo now > /d'
  cli.build(writeContext(cli, { Dockerfile: `FROM before\nRUN ${changes}\n` }), ['-t', 'after'])
  const text = cli.ok(['image', 'diff', 'before', 'after'])
  assert.match(text, /layers: 2 shared, 0 only in the first, 1 only in the second\n/)
  const files = text.slice(text.indexOf('files\n'))
  assert.match(files, / {2}~ \/d {2}dir → file, type dir → file, mode 0755 → 0644\n/)
  assert.match(files, / {2}~ \/f {2}mode 0644 → 4711\n/)
  assert.match(files, / {2}- \/gone {2}2B\n/)
  assert.match(files, / {2}~ \/l {2}symlink, link f → d\n/)
})

test('image verify finds a flipped byte, a cut blob and a missing one, and names them', (t) => {
  const other = openCli(t)
  makePair(other)
  other.ok(['save', '-o', join(other.dir, 'two.tar'), 'two'])
  assert.match(
    other.ok(['image', 'verify', '--all']),
    /^one:latest sha256:\w+: ok, 3 blobs, .*\ntwo:latest .*: ok, 4 blobs/,
  )
  const layer = JSON.parse(other.ok(['inspect', 'two']))[0].RootFS.Layers[1]
  const blob = join(other.root, 'blobs/sha256', layer.slice(7))
  const bytes = readFileSync(blob)
  const damaged = (content: Buffer | undefined): string => {
    if (content) writeFileSync(blob, content)
    else rmSync(blob)
    const { code, stdout } = other.run(['image', 'verify', 'one', 'two'])
    assert.equal(code, 1)
    assert.match(stdout, /^one sha256:\w+: ok/)
    return stdout
  }
  const flipped = Buffer.from(bytes)
  flipped[600] = flipped[600]! ^ 1
  assert.match(
    damaged(flipped),
    new RegExp(`two ${DIGEST.source}: damaged\n {2}blob ${layer}: content has the digest sha256`),
  )
  assert.match(
    damaged(bytes.subarray(0, 700)),
    new RegExp(`blob ${layer}: has 700 bytes, the manifest says ${bytes.length}`),
  )
  assert.match(damaged(undefined), new RegExp(`${layer}`))
  other.ok(['load', '-i', join(other.dir, 'two.tar')])
  assert.match(other.ok(['image', 'verify', 'two']), /ok/)
})

test('image verify reads what a packed layer unpacks to', (t) => {
  const other = openCli(t)
  const context = writeContext(other, { Dockerfile: 'FROM scratch\nCOPY f /\n', f: 'packed '.repeat(10_000) })
  const archive = join(other.dir, 'packed.tar')
  other.build(context, ['-o', `type=oci,dest=${archive},compression=gzip,force-compression=true,name=packed:1`])
  const loaded = openCli(t)
  loaded.ok(['load', '-i', archive])
  assert.match(loaded.ok(['image', 'verify', 'packed:1']), /: ok, 3 blobs/)
  const image = JSON.parse(loaded.ok(['inspect', 'packed:1']))[0]
  const blobs = join(loaded.root, 'blobs/sha256')
  const packed = readdirSync(blobs).find((n) => readFileSync(join(blobs, n)).subarray(0, 2).toString('hex') === '1f8b')!
  writeFileSync(join(blobs, packed), readFileSync(join(blobs, packed)).subarray(0, -9))
  const { code, stdout } = loaded.run(['image', 'verify', '-a'])
  assert.equal(code, 1)
  assert.match(stdout, new RegExp(`packed:1 .*damaged\n {2}blob sha256:${packed}: `))
  assert.ok(image.Id)
})

test('images are filtered by label, age and their place among others, and shown as a tree', (t) => {
  const other = openCli(t)
  const at = (epoch: string, label: string, tag: string) =>
    other.build(writeContext(other, { Dockerfile: `FROM scratch\nCOPY f /\nLABEL ${label}\n`, f: tag }), ['-t', tag], {
      env: { SOURCE_DATE_EPOCH: epoch },
    })
  at('1000000000', 'a=1', 'old')
  at('1100000000', 'a=2 b=1', 'middle')
  at('1200000000', 'b=1', 'young')
  const names = (...filters: string[]) =>
    other
      .ok(['images', '--format', '{{.Repository}}', ...filters.flatMap((f) => ['--filter', f])])
      .trim()
      .split('\n')
      .filter(Boolean)
  assert.deepEqual(names('label=a'), ['middle', 'old'])
  assert.deepEqual(names('label=a=2'), ['middle'])
  assert.deepEqual(names('label=a', 'label=b'), ['middle'])
  assert.deepEqual(names('label!=a'), ['young'])
  assert.deepEqual(names('before=middle'), ['old'])
  assert.deepEqual(names('since=middle'), ['young'])
  assert.deepEqual(names('until=2002-01-01'), ['old'])
  const bad = other.run(['images', '--filter', 'colour=red'])
  assert.equal(bad.code, 1)
  assert.match(bad.stderr, /invalid filter 'colour'/)
  assert.match(
    other.ok(['images', '--tree']),
    /^IMAGE +ID +DISK USAGE +CONTENT SIZE +EXTRA\nyoung:latest .*\n└─ linux\//,
  )
  other.ok(['image', 'prune', '-f', '-a', '--filter', 'label=a=1'])
  assert.deepEqual(names(), ['young', 'middle'])
  other.ok(['system', 'prune', '-f', '-a', '--filter', 'label!=a'])
  assert.deepEqual(names(), ['middle'])
  const pruned = other.ok(['image', 'prune', '-af'])
  assert.match(pruned, /^Deleted Images:\nuntagged: middle:latest\ndeleted: sha256:\w+\n/)
  assert.match(pruned, /\n\nTotal reclaimed space: [\d.]+kB\n$/)
})

test('system df counts what is used, and each layer once', async (t) => {
  if (!(await requireBox(t))) return
  const other = openCli(t)
  makeBase(other)
  other.build(writeContext(other, { Dockerfile: 'FROM base\nRUN head -c 300000 /dev/zero > /big\n' }), ['-t', 'big'])
  other.ok(['run', '--name', 'kept', '-v', 'data:/data', 'big', 'sh', '-c', 'echo x > /data/f'])
  const rows = other.ok(['system', 'df', '--format', '{{.Type}}|{{.TotalCount}}|{{.Active}}']).trim().split('\n')
  assert.deepEqual(rows.slice(0, 3), ['Images|2|1', 'Containers|1|0', 'Local Volumes|1|1'])
  assert.match(
    other.ok(['system', 'df']),
    /^TYPE +TOTAL +ACTIVE +SIZE +RECLAIMABLE\nImages +2 +1 +[\d.]+MB +0B \(0%\)\n/,
  )
  const verbose = other.ok(['system', 'df', '-v'])
  for (const title of ['Images', 'Containers', 'Local Volumes'])
    assert.match(verbose, new RegExp(`${title} space usage:`))
  assert.match(verbose, /\ndata +1 +[\d.]+kB\n/)
})
