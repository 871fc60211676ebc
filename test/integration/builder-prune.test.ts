/** What the build cache holds, and what is left of it after `builder prune`. */
import assert from 'node:assert/strict'
import { readFileSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import { before, type TestContext, test } from 'node:test'
import { type Cli, makeBase, openCli, requireBox, sharedCli, writeContext } from '../helpers/cli.js'

const first = sharedCli()
let base = ''
before(() => {
  makeBase(first)
  base = join(first.dir, 'base.tar')
  first.ok(['save', '-o', base, 'base'])
})

const Dockerfile = `FROM base AS make
RUN --mount=type=cache,id=pkg,target=/m head -c 2000000 /dev/urandom > /unneeded && echo x > /m/f
RUN echo out > /out
FROM base
COPY --from=make /out /out
RUN cat /out > /seen
`
const context = (cli: Cli, text = Dockerfile) => writeContext(cli, { Dockerfile: text })

/** A store with an image and its cache. */
function built(t: TestContext): Cli {
  const cli = openCli(t)
  cli.ok(['load', '-i', base])
  cli.build(context(cli), ['-t', 'app'])
  return cli
}

const ids = (cli: Cli, ...filters: string[]) =>
  cli
    .ok(['builder', 'du', '--format', '{{.ID}}', ...filters.flatMap((f) => ['--filter', f])])
    .split('\n')
    .filter(Boolean)

test('du lists the pieces of the cache and their sums', async (t) => {
  if (!(await requireBox(t))) return
  const cli = built(t)
  const [heading, ...lines] = cli.ok(['builder', 'du']).split('\n')
  assert.match(heading!, /^ID +RECLAIMABLE +SIZE +LAST ACCESSED$/)
  assert.ok(
    lines.some((l) => /^[0-9a-f]{64} +true +2\.\d+MB +\S.* ago$/.test(l)),
    lines.join('\n'),
  )
  assert.ok(lines.some((l) => /^\w+-[0-9a-f]{32}\* +true /.test(l)))
  assert.ok(lines.some((l) => /^Reclaimable: +2\.\d+MB$/.test(l)) && lines.some((l) => /^Total: +2\.\d+MB$/.test(l)))
  assert.equal(ids(cli, 'type=exec.cachemount').length, 1)
  assert.equal(ids(cli, 'type=regular').length, 4)
  assert.equal(ids(cli, 'type=regular', 'shared').length, 2)
  assert.equal(ids(cli, 'description=echo out').length, 1)
  assert.deepEqual(ids(cli, 'until=1h'), [])
  assert.match(cli.ok(['buildx', 'du', '--verbose']), /^Description: +\[make 3\/3\] RUN echo out > \/out$/m)
  const row = JSON.parse(cli.ok(['builder', 'du', '--format', 'json', '--filter', 'type=exec.cachemount']).trim())
  assert.deepEqual(
    [row.Mutable, row.Type, row.Description.split(' (')[0]],
    ['true', 'exec.cachemount', 'cached mount pkg'],
  )
})

test('prune takes what images do not need, with -a all, and asks first', async (t) => {
  if (!(await requireBox(t))) return
  const cli = built(t)
  const no = cli.run(['builder', 'prune'], { input: 'n\n' })
  assert.match(
    no.stderr,
    /^WARNING! This will remove all dangling build cache\. Are you sure you want to continue\? \[y\/N\] /,
  )
  assert.deepEqual([no.code, no.stdout], [0, ''])
  const before = cli.diskBytes()
  const pruned = cli.ok(['builder', 'prune'], { input: 'y\n' })
  assert.match(pruned, /Total:\t2\.\d+MB\n$/)
  assert.ok(before - cli.diskBytes() > 2_000_000)
  assert.equal(ids(cli, 'type=regular').length, 2)
  assert.deepEqual(cli.names('mounts'), [])
  assert.match(cli.ok(['builder', 'prune', '-af']), /Total:\t/)
  assert.deepEqual([ids(cli), cli.names('cache')], [[], []])
  assert.equal(cli.ok(['run', '--rm', 'app', 'cat', '/seen']), 'out\n')
  assert.doesNotMatch(cli.build(context(cli)).log, /RUN.*\n#\d+ CACHED/)
  assert.deepEqual(cli.leftovers(), [])
})

test('prune goes by filters, by age and by size', async (t) => {
  if (!(await requireBox(t))) return
  const cli = built(t)
  cli.ok(['builder', 'prune', '-f', '--filter', 'type=exec.cachemount'])
  assert.deepEqual([cli.names('mounts'), ids(cli, 'type=regular').length], [[], 4])
  cli.ok(['builder', 'prune', '-f', '--filter', 'until=24h'])
  assert.equal(ids(cli, 'type=regular').length, 4)
  const [out] = ids(cli, 'description=echo out')
  const old = Date.now() / 1000 - 48 * 3600
  utimesSync(join(cli.root, 'cache', `${out}.json`), old, old)
  cli.ok(['builder', 'prune', '-f', '--filter', 'until=24h'])
  assert.deepEqual(ids(cli, 'description=echo out'), [])
  assert.equal(ids(cli, 'type=regular').length, 3)
  cli.ok(['buildx', 'prune', '-f', '--reserved-space', '10mb'])
  assert.equal(ids(cli, 'type=regular').length, 3)
  cli.ok(['builder', 'prune', '-f', '--max-used-space', '1mb'])
  assert.deepEqual(ids(cli, 'description=unneeded'), [])
  assert.equal(cli.run(['builder', 'prune', '-f', '--keep-storage', 'much']).code, 125)
})

test('what a running build has stays, the build ends well, and its cache mount is kept', async (t) => {
  if (!(await requireBox(t))) return
  const cli = built(t)
  const text = `${Dockerfile}RUN --mount=type=cache,id=used,target=/u echo y > /u/f; echo started; sleep 1.5; cat /u/f /seen > /end\n`
  const running = cli.start(['build', '--progress', 'plain', '-t', 'late', context(cli, text)])
  await running.until(/started\n/)
  assert.match(cli.ok(['builder', 'du']), /^[0-9a-f]{64} +false /m)
  cli.ok(['builder', 'prune', '-af'])
  assert.equal(cli.names('mounts').length, 1)
  cli.ok(['rmi', '-f', 'app'])
  const { code, stderr } = await running.ended
  assert.equal(code, 0, stderr)
  assert.equal(cli.ok(['run', '--rm', 'late', 'cat', '/end']), 'y\nout\n')
  assert.match(readFileSync(join(cli.root, 'mounts', cli.names('mounts')[0]!, 'about.json'), 'utf8'), /"id":"used"/)
})

test('a prune that is killed leaves a store that works', async (t) => {
  if (!(await requireBox(t))) return
  const cli = built(t)
  for (const afterMs of [40, 60, 80, 100]) {
    const running = cli.start(['builder', 'prune', '-af'])
    setTimeout(() => running.child.kill('SIGKILL'), afterMs)
    await running.ended
    cli.build(context(cli), ['-t', 'app'])
    assert.equal(cli.ok(['run', '--rm', 'app', 'cat', '/seen']), 'out\n')
  }
  cli.ok(['builder', 'prune', '-af'])
  assert.deepEqual(cli.leftovers(), [])
})
