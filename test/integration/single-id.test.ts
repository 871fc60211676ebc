/** Steps and containers with one id, as a user sees them: what `docs/single-id.md` promises. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, test } from 'node:test'
import { HAS_SUBIDS, makeBase, requireBox, sharedCli, startProgram, TSBOX, writeContext } from '../helpers/cli.js'
import { compileNative } from '../helpers/native.js'
import { ownerOf, savedImage } from '../helpers/saved.js'
import { until } from '../helpers/userns.js'

const cli = sharedCli()
before(() => makeBase(cli, ['tar', 'seq', 'xargs']))

const MODES = HAS_SUBIDS ? ['subid', 'single'] : ['single']
const EPOCH = { env: { SOURCE_DATE_EPOCH: '1700000000' } }

/** One layer each, of files whose content is known. */
const TOOLS = `FROM base
RUN mkdir /t && cd /t && echo one >one && echo two >two && mkdir sub && echo s >sub/s && ln -s one link && ln two hard \\
 && mknod fifo p && chown 1:2 one && chown 3 two && chown :4 sub && chown -h 5:6 link && chown 7:8 fifo && chown -R 9 sub
RUN cd /t && chmod 4755 one && chmod 2751 sub && chmod u=rw,go= two && chmod 1777 sub && chmod 600 fifo
RUN cd /t && cp -a . /copied && cp -r sub /plain && cp -p one /kept && cp --preserve=mode,ownership two /owned
RUN cd /t && tar -cf /tar --numeric-owner --sort=name --mtime=@1700000000 one two sub link && mkdir /un && tar -xpf /tar -C /un && rm /tar
RUN install -o 11 -g 12 -m 2750 /t/one /installed && install -d -o 13 -g 14 -m 1770 /dirs/a/b && install -D -o 15 /t/two /deep/er
RUN chown -R 21:22 /copied && chown -h --from=21 23 /copied/link && mv /copied /moved && rm -r /moved/sub
`
/** What real root makes of it: taken from a build with subordinate ids. */
const TOOLS_LAYERS = [
  'sha256:69847a9762e2b93149ed2d000596ae3cba418ea2d0ca0cbb481105deafdd5461',
  'sha256:c834f6a7a78432f20cf485334140779f3ad8c46caca92a9325ba5f9df5f06818',
  'sha256:f4764ba714139ad38d6077694c58a5393ba86367420f7fd55370162f4a7d5584',
  'sha256:a5b5d8c66c273f5f8cd3de341531061b9f7b594adc67da69255db227bb2438be',
  'sha256:1497eff639f967e00ef94d4574b486f6e738051e255f0c6422cb8a5bce4e6da3',
  'sha256:e2193d857ee8e2277bb716727264b271aa98bee50cce657f5e40d12ab97f37e8',
]

for (const mode of MODES)
  test(`${mode}: chown, chmod, cp, tar and install give the layers that real root gives`, async (t) => {
    if (!(await requireBox(t))) return
    cli.build(writeContext(cli, { Dockerfile: TOOLS }), ['-t', `tools-${mode}`, '--userns', mode, '--no-cache'], EPOCH)
    const image = await savedImage(cli, `tools-${mode}`)
    assert.equal(ownerOf(image, 'un/one'), 'file 4755 1:2')
    assert.equal(ownerOf(image, 'moved/link'), 'symlink 777 23:22')
    assert.deepEqual(image.config.rootfs.diff_ids.slice(-TOOLS_LAYERS.length), TOOLS_LAYERS)
  })

test('single: chown -R of 20,000 files, seen by programs and in the layer', async (t) => {
  if (!(await requireBox(t))) return
  const Dockerfile = `FROM base
RUN mkdir -p /many/0 /many/1 && cd /many/0 && seq -f %g 1 10000 | xargs touch && cd ../1 && seq -f %g 1 10000 | xargs touch \\
 && chown -R 1234:5678 /many && stat -c %u:%g /many/0/1 /many/1/10000
`
  const { log } = cli.build(writeContext(cli, { Dockerfile }), ['-t', 'many', '--userns', 'single'])
  assert.equal(log.match(/ 1234:5678\n/g)?.length, 2)
  const layer = (await savedImage(cli, 'many')).layers.at(-1)!.filter((e) => e.path.startsWith('many'))
  assert.equal(layer.length, 20003)
  assert.deepEqual([...new Set(layer.map((e) => `${e.uid}:${e.gid}`))], ['1234:5678'])
})

const POWERS: [dropped: string, command: string, said: RegExp][] = [
  ['CHOWN', 'chown 5 /tmp/f', /Operation not permitted/],
  ['MKNOD', 'mknod /tmp/d c 1 3', /Operation not permitted/],
]
for (const mode of MODES)
  for (const [dropped, command, said] of POWERS)
    test(`${mode}: --cap-drop ${dropped} takes it from root`, async (t) => {
      if (!(await requireBox(t))) return
      const args = [
        'run',
        '--rm',
        '--userns',
        mode,
        '--cap-drop',
        dropped,
        'base',
        'sh',
        '-c',
        `mkdir -p /tmp; : >/tmp/f; ${command}`,
      ]
      const { code, stderr } = cli.run(args)
      assert.notEqual(code, 0)
      assert.match(stderr, said)
    })

test('single:errno lets changes of owners succeed, records none, and shares no results with single', async (t) => {
  if (!(await requireBox(t))) return
  const Dockerfile = 'FROM base\nRUN : >/f && chown 5:6 /f && stat -c %u:%g /f\n'
  const context = writeContext(cli, { Dockerfile })
  const owners: Record<string, string> = {}
  for (const mode of ['single', 'single:errno', 'single:no-stat']) {
    const { log } = cli.build(context, ['-t', 'errno', '--userns', mode])
    assert.doesNotMatch(log, /CACHED\n.*RUN|warning/)
    assert.match(log, mode === 'single' ? / 5:6\n/ : / 0:0\n/)
    owners[mode] = ownerOf(await savedImage(cli, 'errno'), 'f')
    assert.match(cli.build(context, ['--userns', mode]).log, /CACHED/)
  }
  assert.deepEqual(owners, { single: 'file 644 5:6', 'single:errno': 'file 644 0:0', 'single:no-stat': 'file 644 5:6' })
  const run = [
    'run',
    '--name',
    'errno',
    '--userns',
    'single:errno',
    'base',
    'sh',
    '-c',
    ': >/f; chown 5 /f; stat -c %u /f',
  ]
  assert.equal(cli.ok(run), '0\n')
  cli.ok(['rm', 'errno'])
  const refused = cli.run(['run', '--userns', 'single:some', 'base', 'true'])
  assert.match(refused.stderr, /cannot honour --userns=single:some: not known/)
})

test('single: under a listener ids are only pretended, and tsbox says so once', async (t) => {
  if (!(await requireBox(t))) return
  const program = join(cli.dir, 'try-listener')
  if (!compileNative(t, program, ['test/try-listener.c'], ['-O1'])) return
  const Dockerfile = 'FROM base\nRUN : >/f && chown 5:6 /f\nRUN chown 7 /f && stat -c %u /f\n'
  const context = writeContext(cli, { Dockerfile })
  const under = (...args: string[]) =>
    startProgram(program, [TSBOX, ...args], { env: cli.env, cwd: cli.dir, stdio: ['ignore', 'pipe', 'pipe'] }).ended
  const built = await under('build', '--progress', 'plain', '--no-cache', '--userns', 'single', context)
  assert.equal(built.code, 0, built.stderr)
  assert.equal(built.stderr.match(/warning: ids are only pretended/g)?.length, 1, built.stderr)
  const run = await under('run', '--rm', '--userns', 'single', 'base', 'sh', '-c', ': >/f; chown 5 /f; stat -c %u /f')
  assert.deepEqual([run.code, run.stdout], [0, '0\n'], run.stderr)
  assert.equal(run.stderr.match(/tsbox: warning: ids are only pretended/g)?.length, 1, run.stderr)
})

/** Pid of the init of a container, as this machine counts. */
function initOf(id: string): number {
  for (const name of readdirSync('/proc').filter((n) => /^\d+$/.test(n)))
    try {
      const status = readFileSync(`/proc/${name}/status`, 'utf8')
      const mounts = readFileSync(`/proc/${name}/mountinfo`, 'utf8')
      if (/^NSpid:\t\d+\t1$/m.test(status) && mounts.includes(id)) return Number(name)
    } catch {
      // It is gone, or another user's.
    }
  throw new Error(`no init of ${id}`)
}

test('single: owners of links last over restarts, and over an init that was killed', async (t) => {
  if (!(await requireBox(t))) return
  const script = `cd /; if [ ! -L l ]; then ln -s x l; chown -h 5:6 l; mknod p p; chown 7:8 p; fi
    stat -c '%n %u:%g' l p; exec sleep 1000`
  const id = cli.ok(['run', '-d', '--userns', 'single', '--name', 'links', 'base', 'sh', '-c', script]).trim()
  t.after(() => cli.run(['rm', '-f', 'links']))
  const seen = () => cli.ok(['logs', 'links']).trim().split('\n')
  await until(() => seen().length === 2)
  cli.ok(['stop', '-t', '0', 'links'])
  cli.ok(['start', 'links'])
  await until(() => seen().length === 4)
  // What is changed while it runs is written when nothing happens for a moment.
  cli.ok(['exec', 'links', 'sh', '-c', 'ln -s x /late; chown -h 9:9 /late; mv /l /moved'])
  const file = join(cli.root, 'containers', id, 'owners')
  await until(() => readFileSync(file, 'utf8').includes('9 9 late\0'))
  process.kill(initOf(id), 'SIGKILL')
  cli.run(['wait', 'links'])
  cli.ok(['start', 'links'])
  assert.equal(
    cli.ok(['exec', 'links', 'stat', '-c', '%n %u:%g', '/moved', '/p', '/late']),
    '/moved 5:6\n/p 7:8\n/late 9:9\n',
  )
  assert.deepEqual(seen().slice(0, 4), ['l 5:6', 'p 7:8', 'l 5:6', 'p 7:8'])
})
