import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, readFileSync, readlinkSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Entry } from '../../src/layer/entry.js'
import type { StepExit } from '../../src/rootless/plan.js'
import { type Box, hostPlan, ID_MODES, openBox, processOf, processTree, runIn, until } from '../helpers/userns.js'

const sh = (script: string) => ['sh', '-c', script]

async function changes(box: Box): Promise<string[]> {
  const out: Entry[] = []
  await box.agent.walk(join(box.dir, 'upper/fs'), { content: false }, { entry: (e) => out.push(e), data() {} })
  return out.map((e) => `${e.path} ${e.type} ${e.uid}:${e.gid} ${e.mode.toString(8)}`)
}

for (const candidate of ID_MODES) {
  const { mode } = candidate

  const exits: [script: string, exit: StepExit][] = [
    ['exit 0', { code: 0 }],
    ['exit 42', { code: 42 }],
    ['kill -9 $$', { signal: 9 }],
    ['kill -TERM $$', { signal: 15 }],
    ['sleep 1000 & exit 3', { code: 3 }],
    ['(sleep 1000; echo late) >/dev/null 2>&1 & (exit 7)', { code: 7 }],
  ]
  test(`${mode}: a step ends as its process does`, async (t) => {
    const box = await openBox(t, candidate)
    if (!box) return
    const plan = hostPlan(box)
    for (const [script, exit] of exits) assert.deepEqual((await runIn(box, plan, sh(script))).exit, exit, script)
  })

  const failures: [name: string, args: string[], fields: object, expected: object][] = [
    ['a program that is not in PATH', ['nowhere'], {}, { stage: 'exec', errno: 'ENOENT', exitCode: 127 }],
    ['a path that is not there', ['/nowhere'], {}, { stage: 'exec', errno: 'ENOENT', exitCode: 127 }],
    ['a file that is not executable', ['/etc/passwd'], {}, { stage: 'exec', errno: 'EACCES', exitCode: 126 }],
    ['a directory', ['/usr'], {}, { stage: 'exec', errno: 'EACCES', exitCode: 126 }],
    ['a program without PATH', ['sh'], { env: [] }, { stage: 'exec', errno: 'ENOENT', exitCode: 127 }],
    ['a working directory that is not there', ['sh'], { cwd: '/nowhere' }, { stage: 'chdir', errno: 'ENOENT' }],
    ['a working directory that is a file', ['sh'], { cwd: '/etc/passwd' }, { stage: 'chdir', errno: 'ENOTDIR' }],
  ]
  test(`${mode}: a process that can't start says why, and the lane serves on`, async (t) => {
    const box = await openBox(t, candidate)
    if (!box) return
    const plan = hostPlan(box)
    for (let round = 0; round < 3; round++)
      for (const [name, args, fields, expected] of failures)
        await assert.rejects(runIn(box, plan, args, fields), expected, name)
    assert.deepEqual((await runIn(box, plan, ['true'])).exit, { code: 0 })
  })

  test(`${mode}: a process gets its arguments, environment, directory, umask and limits`, async (t) => {
    const box = await openBox(t, candidate)
    if (!box) return
    const script = 'echo "$0|$1|$2"; env; pwd; umask; ulimit -n; hostname; id -u; id -g; id -G'
    const { stdout, stderr } = await runIn(box, hostPlan(box), ['sh', '-c', script, 'a b', '', '\u00fc'], {
      env: ['PATH=/usr/bin:/bin', 'X=1=2', 'Y='],
      cwd: '/tmp',
      umask: 0o027,
      rlimits: [{ resource: 'nofile', soft: 64, hard: 128 }],
    })
    const lines = stdout.split('\n')
    assert.equal(lines[0], Buffer.from('a b||ü').toString('latin1'), stderr)
    assert.deepEqual(lines.filter((l) => /^(X|Y)=/.test(l)).sort(), ['X=1=2', 'Y='])
    assert.deepEqual(lines.slice(-8, -1), ['/tmp', '0027', '64', 'box', '0', '0', '0'])
  })

  test(`${mode}: USER takes effect`, async (t) => {
    const box = await openBox(t, candidate)
    if (!box) return
    const { stdout, stderr } = await runIn(box, hostPlan(box), sh('id -u; id -g; id -G; echo hello >/dev/stdout'), {
      uid: 1000,
      gid: 1001,
      groups: [1001, 7],
    })
    assert.deepEqual(stdout.trim().split('\n'), ['1000', '1001', '1001 7', 'hello'], stderr)
  })

  test(`${mode}: only Docker's capabilities are left, in force for root`, async (t) => {
    const box = await openBox(t, candidate)
    if (!box) return
    const read = sh('grep -E "^(Cap|NoNewPrivs)" /proc/self/status')
    const fields = (text: string) =>
      Object.fromEntries(
        text
          .trim()
          .split('\n')
          .map((l) => l.split(/:\s+/)),
      )
    const root = fields((await runIn(box, hostPlan(box), read)).stdout)
    assert.deepEqual([root.CapEff, root.CapBnd, root.NoNewPrivs], ['00000000a80425fb', '00000000a80425fb', '0'])
    assert.deepEqual([root.CapInh, root.CapAmb], ['0000000000000000', '0000000000000000'])
    const none = fields((await runIn(box, hostPlan(box), read, { capabilities: [], noNewPrivileges: true })).stdout)
    assert.deepEqual([none.CapEff, none.CapBnd, none.NoNewPrivs], ['0000000000000000', '0000000000000000', '1'])
  })

  test(`${mode}: a process inherits three descriptors and no way out`, async (t) => {
    const box = await openBox(t, candidate)
    if (!box) return
    const { stdout } = await runIn(
      box,
      hostPlan(box),
      sh('ls /proc/self/fd; cat /proc/1/environ 2>&1; ls /proc/1/fd 2>&1'),
    )
    // The fourth is the directory that ls reads.
    assert.equal(stdout.split('\n').slice(0, 4).join(' '), '0 1 2 3')
    assert.match(stdout, /denied|not permitted/)
  })

  test(`${mode}: output of any size comes whole, in order, from both streams`, async (t) => {
    const box = await openBox(t, candidate)
    if (!box) return
    const { stdout, stderr } = await runIn(box, hostPlan(box), sh('seq 1 200000; seq 1 50000 >&2'))
    assert.equal(stdout, Array.from({ length: 200000 }, (_, i) => `${i + 1}\n`).join(''))
    assert.equal(stderr.length, Array.from({ length: 50000 }, (_, i) => `${i + 1}\n`).join('').length)
  })

  test(`${mode}: stdin reaches the process, with back-pressure and an end`, async (t) => {
    const box = await openBox(t, candidate)
    if (!box) return
    let out = ''
    const step = await box.agent.startStep(hostPlan(box), {
      stdio: { mode: 'frames', stdin: true },
      onOutput: (_, chunk) => {
        out += Buffer.from(chunk).toString()
      },
    })
    await step.exec(processOf(box, sh('sleep 0.2; wc -c')))
    for (let i = 0; i < 10; i++) await step.writeStdin(Buffer.alloc(100_000, 'x'))
    step.endStdin()
    assert.deepEqual(await step.exit, { code: 0 })
    assert.equal(out.trim(), '1000000')
  })

  test(`${mode}: stdin that nobody reads is dropped`, async (t) => {
    const box = await openBox(t, candidate)
    if (!box) return
    const step = await box.agent.startStep(hostPlan(box), { stdio: { mode: 'frames', stdin: true } })
    await step.exec(processOf(box, sh('exec <&-; sleep 0.2')))
    await step.writeStdin(Buffer.alloc(1_000_000))
    step.endStdin()
    assert.deepEqual(await step.exit, { code: 0 })
  })

  test(`${mode}: without stdin a process reads nothing`, async (t) => {
    const box = await openBox(t, candidate)
    if (!box) return
    assert.equal((await runIn(box, hostPlan(box), sh('cat; readlink /proc/self/fd/0'))).stdout, '/dev/null\n')
  })

  test(`${mode}: signals reach the process`, async (t) => {
    const box = await openBox(t, candidate)
    if (!box) return
    let out = ''
    const step = await box.agent.startStep(hostPlan(box), {
      stdio: { mode: 'frames', stdin: false },
      onOutput: (_, chunk) => {
        out += Buffer.from(chunk).toString()
      },
    })
    await step.exec(processOf(box, sh('trap "echo got; exit 5" USR1; echo ready; while :; do sleep 0.05; done')))
    await until(() => out.includes('ready'))
    step.signal(10)
    assert.deepEqual(await step.exit, { code: 5 })
    assert.equal(out, 'ready\ngot\n')
  })

  test(`${mode}: orphans are reaped while the process runs`, async (t) => {
    const box = await openBox(t, candidate)
    if (!box) return
    const script =
      'i=0; while [ $i -lt 30 ]; do (sh -c ":" &) ; i=$((i+1)); done; sleep 0.3; grep -l "^State:.Z" /proc/[0-9]*/status | wc -l'
    const { stdout } = await runIn(box, hostPlan(box), sh(script))
    assert.equal(stdout.trim(), '0')
  })

  test(`${mode}: what a step changes is its upper, and the mounts leave no trace`, async (t) => {
    const box = await openBox(t, candidate)
    if (!box) return
    const plan = hostPlan(box, { hosts: 'h', resolvConf: 'r', cwd: { path: '/work/dir', uid: 0, gid: 0 } })
    const script =
      'cat /etc/hosts /etc/resolv.conf /etc/hostname; echo x >/etc/hosts; echo y >f; rm /etc/passwd; mknod /tmp/x c 1 1; :'
    const { stdout, stderr } = await runIn(box, plan, sh(script), { cwd: '/work/dir', capabilities: [1, 3] })
    assert.equal(stdout, 'hrbox\n', stderr)
    const list = (await changes(box)).filter((l) => !l.startsWith('tmp'))
    assert.deepEqual(list, [
      'etc dir 0:0 755',
      'etc/passwd whiteout 0:0 0',
      'work dir 0:0 755',
      'work/dir dir 0:0 755',
      'work/dir/f file 0:0 644',
    ])
  })

  test(`${mode}: owners that a step gives are in its layer`, async (t) => {
    const box = await openBox(t, candidate)
    if (!box) return
    const script =
      'cd /tmp; mkdir d; touch f; ln -s x l; mkfifo p; ln f h; chown 1:2 d; chown 3:4 f; chown -h 5:6 l; chown 7:8 p; mv l l2; chmod 4711 f'
    const { stderr, exit } = await runIn(box, hostPlan(box), sh(script))
    assert.deepEqual(exit, { code: 0 }, stderr)
    assert.deepEqual(await changes(box), [
      'tmp dir 0:0 755',
      'tmp/d dir 1:2 755',
      'tmp/f file 3:4 4711',
      'tmp/h hardlink 3:4 4711',
      'tmp/l2 symlink 5:6 777',
      'tmp/p fifo 7:8 644',
    ])
  })

  test(`${mode}: a root without upper is read-only`, async (t) => {
    const box = await openBox(t, candidate)
    if (!box) return
    const plan = hostPlan(box, { upper: undefined, work: undefined })
    const { stderr, exit } = await runIn(box, plan, ['touch', '/x'])
    assert.deepEqual(exit, { code: 1 })
    assert.match(stderr, /Read-only/)
  })

  test(`${mode}: the same upper is mounted again`, async (t) => {
    const box = await openBox(t, candidate)
    if (!box) return
    const plan = hostPlan(box)
    for (let i = 0; i < 3; i++) await runIn(box, plan, sh(`echo ${i} >>/tmp/x`))
    assert.equal(readFileSync(join(box.dir, 'upper/fs/tmp/x'), 'utf8'), '0\n1\n2\n')
  })

  test(`${mode}: many layers stack, the last one on top`, async (t) => {
    const box = await openBox(t, candidate)
    if (!box) return
    const layers = Array.from({ length: 60 }, (_, i) => box.folder(`${'long-name-'.repeat(20)}/a:b,c-${i}`))
    layers.forEach((dir, i) => {
      writeFileSync(join(dir, 'top'), `${i}`)
      writeFileSync(join(dir, `own-${i}`), '')
    })
    const { stdout, stderr } = await runIn(box, hostPlan(box, { layers }), sh('cat /top; ls -d /own-* | wc -l'))
    assert.equal(stdout, '5960\n', stderr)
  })

  test(`${mode}: mounts are what they were asked to be`, async (t) => {
    const box = await openBox(t, candidate)
    if (!box) return
    const source = box.folder('source')
    writeFileSync(join(source, 'f'), 'content')
    mkdirSync(join(source, 'sub'))
    const plan = hostPlan(box, {
      mounts: [
        { op: 'bind', source: { path: source }, target: '/data' },
        { op: 'bind', source: { path: source }, target: '/ro', readonly: true },
        { op: 'bind', source: { path: source }, sub: '/f', target: '/deep/er/file' },
        { op: 'bind', source: { path: join(source, 'none') }, target: '/none', optional: true },
        { op: 'tmpfs', target: '/mem', sizeBytes: 1 << 20, mode: 0o711 },
        {
          op: 'file',
          target: '/run/secrets/s',
          content: Buffer.from('shh'),
          mode: 0o400,
          uid: 0,
          gid: 0,
          readonly: true,
        },
      ],
    })
    const script =
      'cat /deep/er/file /run/secrets/s; echo new >/data/n; touch /ro/x 2>/dev/null || echo ro; touch /run/secrets/s 2>/dev/null || echo ro; stat -c %a /mem /run/secrets/s; test -e /none || echo none; head -c 2000000 /dev/zero 2>/dev/null >/mem/big || echo full'
    const { stdout, stderr } = await runIn(box, plan, sh(script))
    assert.equal(stdout, 'contentshhro\nro\n711\n400\nnone\nfull\n', stderr)
    assert.equal(readFileSync(join(source, 'n'), 'utf8'), 'new\n')
    assert.deepEqual(await changes(box), [])
  })

  test(`${mode}: a tree of layers can be mounted from, at a path within it`, async (t) => {
    const box = await openBox(t, candidate)
    if (!box) return
    const lower = box.folder('t1')
    const upper = box.folder('t2')
    mkdirSync(join(lower, 'd'))
    writeFileSync(join(lower, 'd/low'), 'low')
    mkdirSync(join(upper, 'd'))
    writeFileSync(join(upper, 'd/high'), 'high')
    symlinkSync('/d', join(upper, 'link'))
    const plan = hostPlan(box, {
      mounts: [
        { op: 'bind', source: { tree: 0 }, sub: 'link', target: '/from' },
        { op: 'bind', source: { tree: 1 }, target: '/single' },
      ],
    })
    const ops = [...plan.ops]
    ops.splice(1, 0, { op: 'tree', layers: [lower, upper] }, { op: 'tree', layers: [lower] })
    const { stdout, stderr } = await runIn(
      box,
      { ...plan, ops },
      sh('cat /from/low /from/high /single/d/low; touch /from/x || echo ro'),
    )
    assert.equal(stdout, 'lowhighlowro\n', stderr)
    assert.deepEqual(await changes(box), [])
  })

  test(`${mode}: mount points that had to be made are taken away, with the times of what they were in`, async (t) => {
    const box = await openBox(t, candidate)
    if (!box) return
    const upper = box.folder('upper/fs')
    mkdirSync(join(upper, 'd'))
    utimesSync(join(upper, 'd'), 1000, 1000)
    const file = join(box.folder('source'), 'f')
    writeFileSync(file, 'x')
    const plan = hostPlan(box, { mounts: [{ op: 'bind', source: { path: file }, target: '/d/a/b/f' }] })
    const ops = plan.ops.map((op) => (op.op === 'root' ? { ...op, layers: op.layers.slice(1) } : op))
    // Nothing of it is in the stub, as where an image's directory is opaque.
    const dirs = [...plan.ops.flatMap((op) => ('target' in op ? [op.target] : []))]
    assert.ok(dirs.includes('/d/a/b/f'))
    const { stdout, stderr } = await runIn(box, { ...plan, ops }, sh('cat /d/a/b/f; echo kept >/d/kept'))
    assert.equal(stdout, 'x', stderr)
    assert.deepEqual(readdirSync(join(upper, 'd')), ['kept'])
    const again = await runIn(box, { ...plan, ops }, ['true'])
    assert.deepEqual(again.exit, { code: 0 })
    assert.deepEqual(readdirSync(join(upper, 'd')), ['kept'])
    assert.deepEqual(
      (await changes(box)).map((l) => l.split(' ')[0]).filter((p) => !p!.startsWith('etc')),
      ['d', 'd/kept'],
    )
  })

  const escapes: [name: string, link: string][] = [
    ['an absolute link', '/'],
    ['a climbing link', '../../../../../../..'],
    ['a magic link', '/proc/1/root'],
  ]
  for (const [name, link] of escapes)
    test(`${mode}: a mount on ${name} of the image stays inside`, async (t) => {
      const box = await openBox(t, candidate)
      if (!box) return
      const outside = box.folder('outside')
      const layer = box.folder('hostile')
      mkdirSync(join(layer, 'etc'))
      symlinkSync(link, join(layer, 'way'))
      symlinkSync(join('/way', outside, 'resolv'), join(layer, 'etc/resolv.conf'))
      const plan = hostPlan(box, {
        layers: [layer],
        resolvConf: 'inside',
        cwd: { path: `/way${outside}/made`, uid: 0, gid: 0 },
        mounts: [{ op: 'tmpfs', target: `/way${outside}/mounted` }],
      })
      await runIn(box, plan, sh('cat /etc/resolv.conf; :')).catch(() => {})
      assert.deepEqual(readdirSync(outside), [])
    })

  test(`${mode}: files are handed back from inside the root only`, async (t) => {
    const box = await openBox(t, candidate)
    if (!box) return
    const layer = box.folder('files')
    mkdirSync(join(layer, 'etc'))
    const secret = join(box.dir, 'secret')
    writeFileSync(secret, 'host')
    symlinkSync(`../../../../..${secret}`, join(layer, 'etc/shadow'))
    symlinkSync('passwd', join(layer, 'etc/link'))
    writeFileSync(join(layer, 'etc/passwd'), 'P'.repeat(100))
    const plan = hostPlan(box, { layers: [layer], read: ['/etc/passwd', '/etc/link', '/etc/shadow', '/etc', '/none'] })
    const { files } = await runIn(box, plan, ['true'])
    assert.deepEqual([...files.keys()], ['/etc/passwd', '/etc/link'])
    assert.equal(Buffer.from(files.get('/etc/link')!).toString(), 'P'.repeat(100))
  })

  test(`${mode}: a step sees its own processes, host name and loopback only`, async (t) => {
    const box = await openBox(t, candidate)
    if (!box) return
    const script = 'hostname; ls -d /proc/[0-9]* | wc -l; cat /proc/net/dev | grep -c :; cat /sys/class/net/lo/flags'
    const { stdout, stderr } = await runIn(box, hostPlan(box, { network: 'none' }), sh(script))
    const [host, processes, devices, flags] = stdout.trim().split('\n')
    assert.equal(host, 'box', stderr)
    assert.ok(Number(processes) < 8)
    assert.equal(devices, '1')
    assert.equal(Number(flags) & 1, 1)
  })

  test(`${mode}: what Docker hides is hidden`, async (t) => {
    const box = await openBox(t, candidate)
    if (!box) return
    const script =
      'wc -c </proc/timer_list; ls /sys/firmware | wc -l; (echo 1 >/proc/sys/kernel/panic) 2>/dev/null || echo ro; (mkdir /sys/fs/x) 2>/dev/null || echo ro; test -c /dev/null && echo hi >/dev/null && test -e /dev/pts/ptmx && test -w /dev/shm && echo dev'
    const { stdout, stderr } = await runIn(box, hostPlan(box), sh(script))
    assert.equal(stdout, '0\n0\nro\nro\ndev\n', stderr)
  })

  test(`${mode}: a killed step leaves no process, and its lane serves on`, async (t) => {
    const box = await openBox(t, candidate)
    if (!box) return
    const plan = hostPlan(box)
    const before = processTree(process.pid).length
    for (let i = 0; i < 15; i++) {
      const step = await box.agent.startStep(plan, { stdio: { mode: 'frames', stdin: false } })
      if (i % 2) await step.exec(processOf(box, sh('sleep 1000 & sleep 1000')))
      await step.kill()
      await assert.rejects(step.exit, { errno: 'ECANCELED' })
      await step.kill()
    }
    assert.deepEqual((await runIn(box, plan, ['true'])).exit, { code: 0 })
    // One worker for the lane that all of them used.
    assert.ok(processTree(process.pid).length <= before + 2)
  })

  test(`${mode}: an abort ends a step`, async (t) => {
    const box = await openBox(t, candidate)
    if (!box) return
    const plan = hostPlan(box)
    const abort = new AbortController()
    const options = { stdio: { mode: 'frames', stdin: false }, signal: abort.signal } as const
    const step = await box.agent.startStep(plan, options)
    await step.exec(processOf(box, sh('sleep 1000')))
    abort.abort()
    await assert.rejects(step.exit, { errno: 'ECANCELED' })
    await assert.rejects(box.agent.startStep(plan, options), { errno: 'ECANCELED' })
  })

  test(`${mode}: steps run at the same time`, async (t) => {
    const box = await openBox(t, candidate)
    if (!box) return
    const shared = box.folder('shared')
    const plan = hostPlan(box, {
      upper: undefined,
      work: undefined,
      mounts: [{ op: 'bind', source: { path: shared }, target: '/shared' }],
    })
    const wait = (mine: string, other: string) =>
      sh(`touch /shared/${mine}; while [ ! -e /shared/${other} ]; do sleep 0.02; done`)
    const ends = await Promise.all([runIn(box, plan, wait('a', 'b')), runIn(box, plan, wait('b', 'a'))])
    assert.deepEqual(
      ends.map((e) => e.exit),
      [{ code: 0 }, { code: 0 }],
    )
  })

  test(`${mode}: errors of a plan name the operation and the path`, async (t) => {
    const box = await openBox(t, candidate)
    if (!box) return
    const missing = join(box.dir, 'missing')
    const bind = hostPlan(box, { mounts: [{ op: 'bind', source: { path: missing }, target: '/x' }] })
    await assert.rejects(runIn(box, bind, ['true']), { stage: 'bind source', errno: 'ENOENT', detail: missing })
    const layer = hostPlan(box, { layers: [missing] })
    await assert.rejects(runIn(box, layer, ['true']), { stage: 'mount overlay', errno: 'ENOENT', detail: missing })
  })
}

test('the helper runs from memory, not from a file that a step could write to', async (t) => {
  const box = await openBox(t, ID_MODES[0]!)
  if (!box) return
  const { stdout } = await runIn(box, hostPlan(box), sh('head -1 /proc/1/status; test -w /proc/1/exe || echo closed'))
  assert.match(stdout, /^Name:\t.*\nclosed\n$/)
  const [agent] = processTree(process.pid).slice(1)
  // Only root may look at another user namespace's processes.
  if (process.getuid!() === 0) assert.match(readlinkSync(`/proc/${agent}/exe`), /^\/memfd:tsbox-helper/)
})
