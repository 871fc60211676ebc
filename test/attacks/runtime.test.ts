/** Containers that attack what runs them: the helper, the terminal, descriptors, mounts and the kernel's files. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, test } from 'node:test'
import { HAS_SUBIDS, makeBase, onPath, REPO, requireBox, sharedCli, skip, TSBOX, writeContext } from '../helpers/cli.js'
import { compileNative } from '../helpers/native.js'

const cli = sharedCli()
before(() => makeBase(cli, ['mount', 'umount', 'unshare']))

const SECRET = 'only-the-host-has-this'
const MODES = HAS_SUBIDS ? ['subid', 'single'] : ['single']

/** A folder of the host with something to look for. */
function canary(): string {
  const dir = join(writeContext(cli, { x: '' }), 'canary')
  mkdirSync(dir)
  writeFileSync(join(dir, 'secret'), SECRET)
  return dir
}

for (const mode of MODES)
  test(`${mode}: a working directory of /proc/self/fd leads nowhere (CVE-2024-21626)`, async (t) => {
    if (!(await requireBox(t))) return
    const dir = canary()
    const up = '../'.repeat(12)
    const script = `pwd -P; cat ${up}${dir}/secret /proc/self/cwd/${up}${dir}/secret; echo > ${up}${dir}/new`
    for (let fd = 3; fd <= 14; fd++) {
      for (const path of [`/proc/self/fd/${fd}`, `/proc/self/fd/${fd}/${up}`, `/proc/1/fd/${fd}`]) {
        const ran = cli.run(['run', '--rm', '--userns', mode, '-w', path, 'base', 'sh', '-c', script])
        assert.doesNotMatch(ran.stdout, new RegExp(SECRET), path)
        assert.doesNotMatch(ran.stderr, /BUG/)
      }
    }
    const steps = [3, 7, 8, 9].map((fd) => `WORKDIR /proc/self/fd/${fd}\nRUN cat ${up}${dir}/secret || true`)
    const Dockerfile = `FROM base\n${steps.join('\n')}\n`
    const built = cli.run(['build', '--progress', 'plain', '--userns', mode, writeContext(cli, { Dockerfile })])
    assert.doesNotMatch(built.stderr.replace(/^#.*(RUN|WORKDIR).*$/gm, ''), new RegExp(SECRET))
    assert.deepEqual(spawnSync('ls', [dir], { encoding: 'utf8' }).stdout, 'secret\n')
  })

for (const mode of MODES)
  test(`${mode}: the helper can't be written to from inside (CVE-2019-5736)`, async (t) => {
    if (!(await requireBox(t))) return
    const helper = join(REPO, 'dist/tsbox-helper')
    const before = readFileSync(helper)
    const Dockerfile = 'FROM base\nRUN ln -s /proc/self/exe /evil\nENTRYPOINT ["/proc/self/exe"]\n'
    cli.build(writeContext(cli, { Dockerfile }), ['-t', 'evil', '--userns', mode])
    const script = 'for p in /proc/[0-9]*; do echo x >> $p/exe; cp /bin/true $p/exe; readlink $p/exe; done; true'
    const args = ['run', '--rm', '--userns', mode, '--privileged']
    const seen = cli.run([...args, '--entrypoint', 'sh', 'evil', '-c', script])
    assert.doesNotMatch(seen.stdout, /tsbox-helper$/m, 'the file is nowhere to be seen')
    cli.run([...args, 'evil'])
    cli.run([...args, '--entrypoint', '/evil', 'evil'])
    assert.deepEqual(readFileSync(helper), before)
    assert.equal(cli.ok(['run', '--rm', 'base', 'sh', '-c', 'echo up']), 'up\n')
  })

/** Files through which root of a machine rules it. */
const KERNEL = [
  '/proc/sys/kernel/core_pattern',
  '/proc/sys/kernel/modprobe',
  '/proc/sys/vm/panic_on_oom',
  '/proc/sys/fs/binfmt_misc/register',
  '/proc/sysrq-trigger',
  '/proc/kcore',
  '/sys/kernel/uevent_helper',
  '/sys/power/state',
  '/sys/fs/cgroup/cgroup.procs',
  '/sys/fs/cgroup/release_agent',
]
for (const args of [[], ['--privileged'], ['--security-opt', 'unmask=ALL', '--cap-add', 'ALL']])
  test(`the kernel's files are not written to, with ${args.join(' ') || 'no option'}`, async (t) => {
    if (!(await requireBox(t))) return
    const script = KERNEL.map(
      (path) => `{ test ! -e ${path} || printf x > ${path}; } 2>/dev/null && test -s ${path} && echo ${path}`,
    )
    const ran = cli.run(['run', '--rm', ...args, 'base', 'sh', '-c', `${script.join('\n')}\ntrue`])
    assert.equal(ran.code, 0, ran.stderr)
    assert.equal(ran.stdout, '')
  })

test('mounts over hidden files need a capability that containers lack', async (t) => {
  if (!(await requireBox(t))) return
  const script = 'umount /proc/kcore; mount -t tmpfs x /proc; mount --bind /etc /usr; mount -o remount,rw /sys; true'
  const { stderr } = cli.run(['run', '--rm', 'base', 'sh', '-c', script])
  assert.equal(stderr.match(/denied|permitted|must be superuser/g)?.length, 4, stderr)
})

test('a program can not type into the terminal that it was started from (TIOCSTI)', async (t) => {
  if (!(await requireBox(t))) return
  if (!onPath('python3')) return void skip(t, 'python3 is not installed: sudo apt-get install python3')
  const context = writeContext(cli, { Dockerfile: 'FROM base\nCOPY try /try\n' })
  if (!compileNative(t, join(context, 'try'), ['test/try-tty.c'], ['-O1', '-static'])) return
  cli.build(context, ['-t', 'tty'])
  const driver = join(REPO, 'test/helpers/pty-driver.py')
  for (const options of [[], ['--privileged']]) {
    const args = [driver, '[]', TSBOX, 'run', '--rm', ...options, 'tty', '/try']
    const { stdout } = spawnSync('python3', args, { encoding: 'utf8', cwd: cli.dir, env: cli.env })
    const { output } = JSON.parse(stdout) as { output: string }
    assert.match(
      output,
      /steal (Operation not permitted|Inappropriate ioctl for device)\r?\ntype (Operation not permitted|Input\/output error|Inappropriate ioctl for device)\r?\nfind No such device or address/,
    )
  }
})

test('what the host mounts later does not appear in a container, unless it is to', async (t) => {
  if (!(await requireBox(t))) return
  if (!onPath('unshare')) return void skip(t, 'unshare is not installed: sudo apt-get install util-linux')
  const dir = canary()
  // In a namespace in which mounts are shared, as they are on most machines.
  const look = (options: string) =>
    spawnSync(
      'unshare',
      [
        ...['-Urm', '--propagation', 'private', 'sh', '-ec'],
        `mount -t tmpfs t ${dir}; mount --make-shared ${dir}; mkdir ${dir}/late; cd /
         ${TSBOX} run --rm --userns single -v ${dir}:/d${options} base sh -c '
           touch /d/ready; while test ! -e /d/go; do sleep 0.05; done
           grep -c " /d/late " /proc/self/mounts; grep -c -E "shared:[0-9]+ " /proc/self/mountinfo; true' &
         while test ! -e ${dir}/ready; do sleep 0.05; done
         mount -t tmpfs late ${dir}/late; touch ${dir}/go; wait $!`,
      ],
      { encoding: 'utf8', env: cli.env, timeout: 60_000 },
    )
  const plain = look('')
  if (plain.stdout === '') return void skip(t, `no namespace in a namespace: ${plain.stderr}`)
  assert.equal(plain.stdout, '0\n0\n')
  assert.equal(look(':rslave').stdout, '1\n0\n')
})

/** Parts of images and volumes that are links to the host. */
test('a part of an image or of a volume is looked up in it (CVE-2024-1753)', async (t) => {
  if (!(await requireBox(t))) return
  const dir = canary()
  const Dockerfile = `FROM base
RUN mkdir /l && ln -s ${dir} /l/abs && ln -s ../../../../../../../..${dir} /l/up && ln -s / /l/root
`
  cli.build(writeContext(cli, { Dockerfile }), ['-t', 'links'])
  cli.ok(['run', '--rm', '-v', 'linked:/l', 'links', 'ls', '/l'])
  for (const link of ['abs', 'up', 'root/..', `root${dir}`])
    for (const mount of [
      `type=image,source=links,target=/m,image-subpath=l/${link}`,
      `type=volume,source=linked,target=/m,volume-subpath=${link}`,
    ]) {
      const ran = cli.run(['run', '--rm', '--mount', mount, 'base', 'cat', '/m/secret', `/m${dir}/secret`])
      assert.doesNotMatch(ran.stdout, new RegExp(SECRET), mount)
      assert.doesNotMatch(ran.stderr, /BUG/)
    }
})

test('options with links of the image at their targets stay inside', async (t) => {
  if (!(await requireBox(t))) return
  const dir = canary()
  const Dockerfile = `FROM base\nRUN ln -s ${dir} /t && rm -rf /dev 2> /dev/null; ln -s ${dir} /etc/link\n`
  cli.build(writeContext(cli, { Dockerfile }), ['-t', 'targets'])
  const options = [
    ['--tmpfs', '/t'],
    ['--tmpfs', '/t/made/deep'],
    ['--device', '/dev/null:/t/null'],
    ['--mount', 'type=tmpfs,target=/etc/link/x'],
    ['--mount', 'type=image,source=base,target=/t'],
    ['--security-opt', 'mask=/t:/etc/link/secret'],
    ['--read-only', '--tmpfs', '/t:ro'],
  ]
  for (const args of options) {
    const ran = cli.run(['run', '--rm', ...args, 'targets', 'sh', '-c', `cat /t/secret ${dir}/secret; echo x > /t/x`])
    assert.doesNotMatch(ran.stdout, new RegExp(SECRET), args.join(' '))
    assert.doesNotMatch(ran.stderr, /BUG/)
    assert.equal(spawnSync('ls', ['-A', dir], { encoding: 'utf8' }).stdout, 'secret\n', args.join(' '))
  }
  assert.deepEqual(cli.leftovers(), [])
})

test('a cache whose id climbs stays in the store (CVE-2024-9675)', async (t) => {
  if (!(await requireBox(t))) return
  const dir = canary()
  const ids = ['../../../../../../../..', `../../../../../../../../..${dir}`, dir, '..', '.', '/etc', '%2e%2e/%2e%2e']
  const steps = ids.map(
    (id) => `RUN --mount=type=cache,id=${id},target=/c sh -c "cat /c/secret; touch /c/new; ls -A /c"`,
  )
  const ran = cli.run([
    ...['build', '--progress', 'plain', '--no-cache'],
    writeContext(cli, {
      Dockerfile: `FROM base\n${steps.join('\n').replaceAll('cat /c/secret;', 'cat /c/secret || true;')}\n`,
    }),
  ])
  assert.equal(ran.code, 0, ran.stderr)
  assert.doesNotMatch(ran.stderr, new RegExp(`^#\\d+ [\\d.]+ ${SECRET}`, 'm'))
  assert.deepEqual(spawnSync('ls', ['-A', dir], { encoding: 'utf8' }).stdout, 'secret\n')
})
