import assert from 'node:assert/strict'
import { type SpawnSyncReturns, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Entry } from '../../src/layer/entry.js'
import type { IdCandidate } from '../../src/rootless/id-map.js'
import { compileNative, PROBE_SOURCES, probeLines, RUNNER_SOURCES } from '../helpers/native.js'
import { type Box, hostPlan, ID_MODES, openBox, runIn } from '../helpers/userns.js'

const SINGLE: IdCandidate = { mode: 'single', maps: { method: 'single' } }
const sh = (script: string) => ['sh', '-ec', script]

/** `path uid:gid type` of what a folder of layer files holds. */
async function owners(box: Box, folder: string): Promise<string[]> {
  const out: Entry[] = []
  await box.agent.walk(join(box.dir, folder), { content: false }, { entry: (e) => out.push(e), data() {} })
  return out
    .filter((e) => e.type !== 'opaque')
    .map((e) => `${e.path} ${e.uid}:${e.gid} ${e.type}`)
    .sort()
}

test('single: system calls answer as they do to real root', async (t) => {
  const box = await openBox(t, SINGLE)
  if (!box) return
  const plan = hostPlan(box)
  const probe = join(box.folder('upper/fs'), 'emu-probe')
  if (!compileNative(t, probe, PROBE_SOURCES, ['-O2', '-static'])) return
  const { stdout, exit, stderr } = await runIn(box, plan, ['/emu-probe'])
  const lines = probeLines(stdout)
  assert.ok(lines.length > 30, stdout + stderr)
  for (const line of lines) await t.test(line.name, () => assert.ok(line.ok, line.detail))
  assert.deepEqual(exit, { code: 0 })
})

/** What tools of an image build do; both id modes must make the same layer of it. */
const TOOLS = `
mkdir /a; cd /a
echo x >f; chown 5:6 f
install -d -o 7 -g 8 -m 2775 shared; touch shared/inherits
ln -s f l; chown -h 9:10 l
mkfifo p; chown 11:12 p
mkdir tree; touch tree/1 tree/2; ln -s 1 tree/3; chown -hR 13:14 tree
cp -a tree copy
tar -cf /tmp/t.tar -C /a tree; mkdir un; tar -xpf /tmp/t.tar -C un
cp f s; chmod 6755 s; chown 1:1 s; [ "$(stat -c %a s)" = 755 ]
mv tree/3 moved; mv copy /tmp/; mv /tmp/copy back
ln -s f was; chown -h 20:20 was; rm was; ln -s f now
cp --preserve=xattr f plain
perl -e '$) = "33 33"; $( = 33; $< = $> = 34; open(F, ">", "/tmp/perl"); mkdir "/tmp/perld"; symlink "x", "/tmp/perll"'
mv /tmp/perl /tmp/perld /tmp/perll .
rm /tmp/t.tar
`
const TOOLS_LAYER = [
  'a 0:0 dir',
  'a/back 13:14 dir',
  'a/back/1 13:14 file',
  'a/back/2 13:14 file',
  'a/back/3 13:14 symlink',
  'a/f 5:6 file',
  'a/l 9:10 symlink',
  'a/moved 13:14 symlink',
  'a/now 0:0 symlink',
  'a/p 11:12 fifo',
  'a/perl 34:33 file',
  'a/perld 34:33 dir',
  'a/perll 34:33 symlink',
  'a/plain 0:0 file',
  'a/s 1:1 file',
  'a/shared 7:8 dir',
  'a/shared/inherits 0:8 file',
  'a/tree 13:14 dir',
  'a/tree/1 13:14 file',
  'a/tree/2 13:14 file',
  'a/un 0:0 dir',
  'a/un/tree 13:14 dir',
  'a/un/tree/1 13:14 file',
  'a/un/tree/2 13:14 file',
  'a/un/tree/3 13:14 symlink',
  'tmp 0:0 dir',
]

for (const candidate of ID_MODES) {
  test(`${candidate.mode}: owners that tools set are in the layer`, async (t) => {
    const box = await openBox(t, candidate)
    if (!box) return
    const { exit, stderr } = await runIn(box, hostPlan(box), sh(`umask 022; chmod 1777 /tmp; ${TOOLS}`))
    assert.deepEqual(exit, { code: 0 }, stderr)
    assert.deepEqual(await owners(box, 'upper/fs'), TOOLS_LAYER)
  })

  test(`${candidate.mode}: a step sees and changes the owners of the layers below`, async (t) => {
    const box = await openBox(t, candidate)
    if (!box) return
    const first = hostPlan(box, { upper: box.folder('one/fs'), work: box.folder('one/work') })
    const made =
      'cd /tmp; for l in kept moved gone chowned copied; do ln -s x $l; chown -h 5:6 $l; done; touch f; chown 7:8 f'
    assert.deepEqual((await runIn(box, first, sh(made))).exit, { code: 0 })

    const upper = { upper: box.folder('two/fs'), work: box.folder('two/work'), layers: [join(box.dir, 'one/fs')] }
    const change = `cd /tmp; stat -c '%n %u:%g' kept f; mv moved now; rm gone; ln -s y gone; chown -h 9:9 chowned
      touch -h copied; chmod 600 f; stat -c '%n %u:%g' now gone chowned copied f`
    const run = await runIn(box, hostPlan(box, upper), sh(change))
    const seen = ['kept 5:6', 'f 7:8', 'now 5:6', 'gone 0:0', 'chowned 9:9', 'copied 5:6', 'f 7:8']
    assert.deepEqual(run.stdout.trim().split('\n'), seen, run.stderr)
    const layer = (await owners(box, 'two/fs')).filter((line) => !line.endsWith('dir'))
    assert.deepEqual(layer, [
      'tmp/chowned 9:9 symlink',
      'tmp/copied 5:6 symlink',
      'tmp/f 7:8 file',
      'tmp/gone 0:0 symlink',
      'tmp/moved 0:0 whiteout',
      'tmp/now 5:6 symlink',
    ])

    const third = {
      upper: box.folder('three/fs'),
      work: box.folder('three/work'),
      layers: [join(box.dir, 'one/fs'), join(box.dir, 'two/fs')],
    }
    const last = await runIn(
      box,
      hostPlan(box, third),
      sh(`cd /tmp; stat -c '%n %u:%g' kept now gone chowned copied f`),
    )
    const still = ['kept 5:6', 'now 5:6', 'gone 0:0', 'chowned 9:9', 'copied 5:6', 'f 7:8']
    assert.deepEqual(last.stdout.trim().split('\n'), still, last.stderr)
  })

  test(`${candidate.mode}: an upper that is used again keeps its owners`, async (t) => {
    const box = await openBox(t, candidate)
    if (!box) return
    const plan = hostPlan(box)
    await runIn(box, plan, sh('cd /tmp; ln -s x l; chown -h 5:6 l; ln -s x m; chown -h 7:8 m; touch f; chown 1:2 f'))
    const again = await runIn(box, plan, sh(`cd /tmp; rm m; ln -s x n; mv l o; stat -c '%n %u:%g' n o f`))
    assert.deepEqual(again.stdout.trim().split('\n'), ['n 0:0', 'o 5:6', 'f 1:2'], again.stderr)
    const layer = (await owners(box, 'upper/fs')).filter((line) => !line.endsWith('dir'))
    assert.deepEqual(layer, ['tmp/f 1:2 file', 'tmp/n 0:0 symlink', 'tmp/o 5:6 symlink'])
  })

  test(`${candidate.mode}: a user's files are his`, async (t) => {
    const box = await openBox(t, candidate)
    if (!box) return
    const plan = hostPlan(box)
    await runIn(box, plan, sh('chmod 1777 /tmp'))
    const script = `cd /tmp; umask 027; touch f; mkdir d; ln -s f l; id; ! chown 0 f 2>/dev/null; (sleep 0.2; touch late) & wait`
    const { exit, stderr } = await runIn(box, plan, sh(script), { uid: 1000, gid: 1001, groups: [1001, 7] })
    assert.deepEqual(exit, { code: 0 }, stderr)
    const layer = (await owners(box, 'upper/fs')).filter((line) => line.startsWith('tmp/'))
    assert.deepEqual(layer, [
      'tmp/d 1000:1001 dir',
      'tmp/f 1000:1001 file',
      'tmp/l 1000:1001 symlink',
      'tmp/late 1000:1001 file',
    ])
  })

  const setid: [noNewPrivileges: boolean, effective: string][] = [
    [false, '0'],
    [true, '1000'],
  ]
  for (const [noNewPrivileges, effective] of setid)
    test(`${candidate.mode}: set-user-ID programs, noNewPrivileges ${noNewPrivileges}`, async (t) => {
      const box = await openBox(t, candidate)
      if (!box) return
      const plan = hostPlan(box)
      await runIn(box, plan, sh('cp /usr/bin/id /tmp/id; chmod 4755 /tmp/id; chmod 1777 /tmp'))
      const fields = { uid: 1000, gid: 1000, noNewPrivileges }
      const { stdout, stderr } = await runIn(box, plan, ['/tmp/id', '-u'], fields)
      assert.equal(stdout.trim(), effective, stderr)
    })
}

test('single: devices become entries of the layer and are devices to later steps', async (t) => {
  const box = await openBox(t, SINGLE)
  if (!box) return
  await runIn(box, hostPlan(box), sh('mknod -m 620 /tmp/c c 5 1; mknod /tmp/b b 8 17; chown 1:2 /tmp/b'))
  const entries: Entry[] = []
  const fs = join(box.dir, 'upper/fs')
  await box.agent.walk(fs, { content: false }, { entry: (e) => entries.push(e), data() {} })
  assert.deepEqual(
    entries.filter((e) => e.path.startsWith('tmp/')).map((e) => [e.path, e.type, e.uid, e.gid, e.mode & 0o777]),
    [
      ['tmp/b', 'block', 1, 2, 0o644],
      ['tmp/c', 'char', 0, 0, 0o620],
    ],
  )
  const copy = box.folder('copy/fs')
  await box.agent.apply(
    copy,
    entries.map((entry) => ({ entry })),
  )
  const next = { upper: box.folder('next/fs'), work: box.folder('next/work'), layers: [copy] }
  const { stdout, stderr } = await runIn(box, hostPlan(box, next), sh(`stat -c '%n %F %t:%T %u:%g' /tmp/b /tmp/c`))
  assert.deepEqual(
    stdout.trim().split('\n'),
    ['/tmp/b block special file 8:11 1:2', '/tmp/c character special file 5:1 0:0'],
    stderr,
  )
})

test('single: without stat the owners are recorded all the same', async (t) => {
  const box = await openBox(t, SINGLE)
  if (!box) return
  const script = 'touch /tmp/f; chown 5:6 /tmp/f; stat -c %u:%g /tmp/f'
  const { stdout } = await runIn(box, hostPlan(box), sh(script), { emulate: 'no-stat' })
  assert.equal(stdout.trim(), '0:0')
  assert.ok((await owners(box, 'upper/fs')).includes('tmp/f 5:6 file'))
})

test('single: where a listener is already there, ids are faked', async (t) => {
  const box = await openBox(t, SINGLE)
  if (!box) return
  const plan = hostPlan(box)
  const upper = box.folder('upper/fs')
  if (!compileNative(t, join(upper, 'emu-run'), RUNNER_SOURCES, ['-O2', '-static'])) return
  compileNative(t, join(box.folder('upper/fs/inner'), 'emu-probe'), PROBE_SOURCES, ['-O2', '-static'])
  for (const name of ['dev', 'proc']) box.folder(`upper/fs/inner/${name}`)
  const inner = ['/emu-run', '-p', '/inner', '/emu-probe', 'setuid of root is final']
  const { stdout, stderr } = await runIn(box, plan, inner)
  assert.match(stderr, /faked/)
  // Success is all that is given: the id stays what it was.
  assert.match(stdout, /not ok setuid of root is final/)
})

test('the emulation alone: sanitizers find nothing, and a /proc of the host is good enough', async (t) => {
  const box = await openBox(t, SINGLE)
  if (!box) return
  const root = box.folder('root')
  for (const name of ['dev', 'proc', 'etc']) box.folder(`root/${name}`)
  if (!compileNative(t, join(root, 'emu-probe'), PROBE_SOURCES, ['-O2', '-static'])) return
  const runner = join(box.dir, 'emu-run')
  if (!compileNative(t, runner, RUNNER_SOURCES, ['-g', '-O1', '-fsanitize=address,undefined'])) return
  // The long cases once, and those of threads where they are told apart in another way.
  const long = ['-thousands of threads', '-forgotten links are forgotten', '-races are lost', '-groups vanish']
  const variants: [name: string, options: string[], cases: string[]][] = [
    ['own', [], []],
    ['host', ['-p'], long],
    ['old', ['-p', '-k'], ['a thread makes files', 'new files belong to their maker']],
  ]
  for (const [name, options, cases] of variants) {
    for (const dir of ['upper', 'work', 'merged']) box.folder(`${name}/${dir}`)
    const args: string[] = [...options, '-U', join(box.dir, name), root, '/emu-probe', ...cases]
    const env = { ASAN_OPTIONS: 'detect_leaks=0', UBSAN_OPTIONS: 'halt_on_error=1' }
    const run: SpawnSyncReturns<string> = spawnSync(runner, args, { encoding: 'utf8', env })
    assert.deepEqual(
      probeLines(run.stdout).filter((line) => !line.ok),
      [],
    )
    assert.equal(run.status, 0, run.stdout + run.stderr)
  }
})
