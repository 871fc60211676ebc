/** What a container may do: capabilities, system calls, hidden paths, and the options that change them. */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, type TestContext, test } from 'node:test'
import { HAS_SUBIDS, makeBase, REPO, requireBox, sharedCli, writeContext } from '../helpers/cli.js'
import { compileNative } from '../helpers/native.js'

const cli = sharedCli()
before(() => makeBase(cli, ['unshare']))

const MODES = HAS_SUBIDS ? ['subid', 'single'] : ['single']
const run = (mode: string, args: readonly string[], ...command: string[]) =>
  cli.run(['run', '--rm', '--userns', mode, ...args, 'base', ...command])

/** uretprobe and uprobe of x86_64. @see kernel/seccomp.c, seccomp_uprobe_exception */
const PROBES = [335, 336]
const DEFAULT = '00000000a80425fb'
const ALL = '000001ffffffffff'
const NONE = '0000000000000000'

/** Options → effective and permitted set, bounding set, of root. */
const capabilities: [args: string[], root: string][] = [
  [[], DEFAULT],
  [['--cap-drop', 'ALL'], NONE],
  [['--cap-drop', 'all', '--cap-add', 'chown', '--cap-add', 'CAP_KILL'], '0000000000000021'],
  [['--cap-add', 'SYS_ADMIN,SYS_PTRACE', '--cap-drop=cap_mknod'], '00000000a02c25fb'],
  [['--cap-add', 'ALL', '--cap-drop', 'SYS_ADMIN'], '000001ffffdfffff'],
  [['--privileged'], ALL],
]
for (const mode of MODES)
  for (const [args, set] of capabilities)
    test(`${mode}: ${args.join(' ') || 'a plain container'} has the capabilities that docker gives`, async (t) => {
      if (!(await requireBox(t))) return
      const { stdout, stderr } = run(mode, args, 'grep', '^Cap', '/proc/self/status')
      const found = Object.fromEntries([...stdout.matchAll(/^Cap(\w+):\t(\w+)$/gm)].map((m) => [m[1], m[2]]))
      assert.deepEqual(found, { Inh: NONE, Prm: set, Eff: set, Bnd: set, Amb: NONE }, stderr)
    })

// With one id the kernel has root only.
if (HAS_SUBIDS)
  test('another user has no capability, but may get those of the container', async (t) => {
    if (!(await requireBox(t))) return
    const { stdout } = run('subid', ['-u', '7:8'], 'grep', '^Cap', '/proc/self/status')
    const sets = [...stdout.matchAll(/^Cap\w+:\t(\w+)$/gm)].map((m) => m[1])
    assert.deepEqual(sets, [NONE, NONE, NONE, DEFAULT, NONE])
  })

for (const mode of MODES)
  test(`${mode}: every system call is answered as docker's profile says`, async (t) => {
    if (!(await requireBox(t))) return
    const abi = process.arch === 'arm64' ? 'aarch64' : 'x86_64'
    const { verdicts, with: allowing } = JSON.parse(readFileSync(join(REPO, 'fixtures/seccomp-default.json'), 'utf8'))[
      abi
    ]
    const given: number[] = allowing.SYS_CHROOT
    const context = writeContext(cli, { Dockerfile: 'FROM base\nCOPY try /try\n' })
    if (!compileNative(t, join(context, 'try'), ['test/try-calls.c'], ['-O1', '-static'])) return
    cli.build(context, ['-t', 'calls', '--userns', mode])
    const ask = (...args: string[]) => {
      const out = cli.ok(['run', '--rm', '--userns', mode, ...args, 'calls', '/try', '700'])
      return new Map(
        out
          .trimEnd()
          .split('\n')
          .map((l) => l.split(' ').map(Number) as [number, number]),
      )
    }
    const filtered = ask()
    const free = ask('--security-opt', 'seccomp=unconfined')
    assert.equal(filtered.size, 701)
    for (let number = 0; number <= 700; number++) {
      const verdict = given.includes(number) ? 'A' : (verdicts[number] ?? 'N')
      const expected = verdict === 'E' ? 1 : verdict === 'N' ? 38 : free.get(number)
      // Neither refused nor back in time: it waits, or the machine is busy.
      if (verdict === 'A' && (filtered.get(number) === -1 || free.get(number) === -1)) continue
      // With every bit set it depends on arguments; and the kernel keeps probes in programs out of all filters.
      if (verdict !== 'c' && !(abi === 'x86_64' && PROBES.includes(number)))
        assert.equal(filtered.get(number), expected, `call ${number}: ${verdict}`)
    }
    assert.ok(
      [...free].filter(([n, errno]) => verdicts[n] === 'E' && errno !== 1).length > 20,
      'and it makes a difference',
    )
  })

for (const mode of MODES)
  test(`${mode}: a profile of one's own decides, in docker's format`, async (t) => {
    if (!(await requireBox(t))) return
    const dir = writeContext(cli, {
      'p.json': JSON.stringify({
        defaultAction: 'SCMP_ACT_ALLOW',
        syscalls: [{ names: ['mkdir', 'mkdirat'], action: 'SCMP_ACT_ERRNO', errnoRet: 93 }],
      }),
    })
    const made = run(mode, ['--security-opt', `seccomp=${dir}/p.json`], 'mkdir', '/x')
    assert.match(made.stderr, /cannot create directory .*: Protocol not supported/)
    assert.equal(run(mode, ['--security-opt', `seccomp=${dir}/p.json`], 'touch', '/x').code, 0)
    const strict = { defaultAction: 'SCMP_ACT_ERRNO', syscalls: [] }
    writeFileSync(join(dir, 'p.json'), JSON.stringify(strict))
    const none = run(mode, ['--security-opt', `seccomp=${dir}/p.json`], 'true')
    assert.match(none.stderr, /(capabilities|chdir).*: ENOSYS/)
    assert.equal(none.code, mode === 'single' ? 126 : 125, 'docker has 126 for a directory that cannot be entered')
  })

test('build steps are filtered, too', async (t) => {
  if (!(await requireBox(t))) return
  const Dockerfile = 'FROM base\nRUN grep -q "^Seccomp:.2" /proc/self/status\nRUN ! unshare -r true 2> /said\n'
  cli.build(writeContext(cli, { Dockerfile }), ['-t', 'step'])
  assert.match(cli.ok(['run', '--rm', 'step', 'cat', '/said']), /unshare failed: Operation not permitted/)
})

/** Arguments → script → what it prints. */
const options: [args: string[], script: string, output: RegExp][] = [
  [['--security-opt', 'no-new-privileges'], 'grep NoNewPrivs /proc/self/status', /\t1$/],
  [['--security-opt', 'no-new-privileges=false'], 'grep NoNewPrivs /proc/self/status', /\t0$/],
  [['--security-opt', 'apparmor=unconfined', '--security-opt', 'label=disable'], 'echo up', /^up$/],
  [['--privileged'], 'unshare -Ur cat /proc/self/uid_map', /^ +0 +0 +1$/],
  [['--security-opt', 'seccomp=unconfined'], 'unshare -Ur cat /proc/self/uid_map', /^ +0 +0 +1$/],
  [['--security-opt', 'mask=/etc:/usr/bin/cat'], 'ls /etc; wc -c < /usr/bin/cat', /^0$/],
  [['--security-opt', 'unmask=/proc/sys*'], 'grep -c " /proc/sys " /proc/mounts; true', /^0$/],
  [
    ['--security-opt', 'unmask=ALL'],
    'grep -c -E " /(proc|sys)/[a-z]*(bus|fs|irq|sys|kcore|firmware) " /proc/mounts; true',
    /^\d$/,
  ],
  [['--read-only'], 'touch /x /etc/x; touch /dev/shm/x && echo shm', /^shm$/],
  [
    ['--read-only', '--tmpfs', '/run:size=1m,mode=750', '-v', '/data'],
    'touch /run/x /data/x && stat -c "%a %F" /run && stat -f -c "%b*%S" /run',
    /^750 directory\n(256\*4096)$/,
  ],
  [['--tmpfs', '/t:ro'], 'touch /t/x; echo $?', /^1$/],
  [['--tmpfs', '/t'], 'cp /bin/true /t/x; /t/x; echo $?', /^126$/],
  [['--tmpfs', '/t:exec'], 'cp /bin/true /t/x; /t/x; echo $?', /^0$/],
  [['--mount', 'type=tmpfs,target=/t,tmpfs-size=8k,tmpfs-mode=0700'], 'stat -c %a /t; stat -f -c %b /t', /^700\n2$/],
  [['--mount', 'type=image,source=base,target=/i'], 'ls /i/etc/passwd; touch /i/x; echo $?', /^\/i\/etc\/passwd\n1$/],
  [['--mount', 'type=image,source=base,target=/i,image-subpath=etc'], 'ls /i/passwd', /passwd$/],
  [['--mount', '"type=volume","target=/d"'], 'touch /d/x && echo ok', /^ok$/],
  [
    ['--mount', 'type=volume,src=v1,dst=/etc,volume-nocopy', '--mount', 'src=v2,dst=/copy'],
    'ls /etc/group; ls /copy',
    /^$/,
  ],
  [['--group-add', '5', '--group-add', '6', '-u', '7:8'], 'id -G', /^8 5 6$/],
  [['--ipc', 'private', '--pid=private', '--uts=private', '--cgroupns=private'], 'echo ok', /^ok$/],
  [['--sysctl', 'kernel.msgmax=4321'], 'cat /proc/sys/kernel/msgmax', /^4321$/],
  [['--network=none', '--sysctl', 'net.ipv4.ip_forward=1'], 'cat /proc/sys/net/ipv4/ip_forward', /^1$/],
  [['--add-host', 'a.b:1.2.3.4', '--add-host=c=[::9]'], 'tail -n 2 /etc/hosts', /^1.2.3.4\ta.b\n::9\tc$/],
  [
    ['--dns', '9.9.9.9', '--dns=::1', '--dns-search', 'x.y', '--dns-option=ndots:3'],
    'cat /etc/resolv.conf',
    /^nameserver 9.9.9.9\nnameserver ::1\nsearch x.y\noptions ndots:3$/m,
  ],
  [['--oom-score-adj', '1000'], 'cat /proc/self/oom_score_adj', /^1000$/],
]
for (const [args, script, output] of options)
  test(`run ${args.join(' ')}`, async (t) => {
    if (!(await requireBox(t))) return
    const ran = cli.run(['run', '--rm', ...args, 'base', 'sh', '-c', `{ ${script}; } 2>/dev/null`])
    assert.match(ran.stdout.trimEnd(), output, ran.stderr)
  })

test('--ipc and --uts of the host are those of the host', async (t) => {
  if (!(await requireBox(t))) return
  const link = (args: string[], name: string) =>
    cli.ok(['run', '--rm', ...args, 'base', 'readlink', `/proc/self/ns/${name}`])
  for (const name of ['ipc', 'uts'] as const) {
    const own = link([], name)
    const shared = link([`--${name}=host`], name)
    assert.notEqual(own, shared)
    assert.equal(shared, link([`--${name}=host`], name))
  }
})

/** What can't be had is refused before anything is made, with the reason. */
const refused: [args: string[], message: RegExp][] = [
  [['--cap-add', 'NOPE'], /invalid --cap-add: unknown capability: "NOPE"/],
  [['--cap-drop', 'constructor'], /invalid --cap-drop/],
  [['--security-opt', 'nope'], /not KEY=VALUE/],
  [['--security-opt', 'apparmor=docker-default'], /only root can load AppArmor profiles/],
  [['--security-opt', 'label=type:x'], /labels of SELinux/],
  [['--security-opt', 'no-new-privileges=perhaps'], /neither true nor false/],
  [['--security-opt', 'seccomp=/nope.json'], /seccomp profile: it can't be read: "\/nope.json"/],
  [['--security-opt', 'mask=proc'], /no path to hide/],
  [['--tmpfs', 'rel'], /no absolute path/],
  [['--tmpfs', '/t:nope'], /the option is not known here: "nope"/],
  [['--tmpfs', '/t:suid'], /always mounted nosuid/],
  [['--mount', 'type=nope,target=/x'], /type is not known here: "nope"/],
  [['--mount', 'type=bind,source=/'], /target is missing/],
  [['--mount', 'type=bind,source=/nope,target=/x'], /bind source path does not exist: "\/nope"/],
  [['--mount', 'type=volume,target=/x,nope=1'], /the key is not known: "nope"/],
  [['--mount', 'type=volume,target=/x,tmpfs-size=1'], /tmpfs-size is not for type volume/],
  [['--mount', 'type=volume,target=/x,volume-subpath=../..,source=v'], /leads out of the source/],
  [['--mount', 'type=image,source=nope,target=/x'], /image: .*nope/],
  [['--mount', 'type=bind,source=/,target=/x,bind-propagation=rshared'], /never reach the host/],
  [['-v', '/tmp:/x:U'], /owners of files of this machine are not changed/],
  [['-v', '/tmp:/x', '--mount', 'type=tmpfs,target=/y', '--mount', 'src=v,dst=/x'], /duplicate mount point: "\/x"/],
  [['--device', '/nope'], /there is no "\/nope"/],
  [['--device', '/etc/passwd'], /it is no device/],
  [['--device', '/dev/null:/dev/x:r'], /only root can restrict/],
  [['--pid', 'guest'], /cannot honour --pid=guest: it is one of private, host, container:NAME/],
  [['--ipc', 'container:x'], /No such container: x/],
  [['--hostname', 'x'.repeat(65)], /invalid hostname: more than 64 bytes/],
  [['--platform', 'linux/s390x'], /does not match the specified platform: wanted linux\/s390x, actual: linux\//],
  [['--uts', 'host', '--hostname', 'x'], /cannot honour --uts=host/],
  [['--sysctl', 'vm.swappiness=1'], /a setting of the whole machine/],
  [['--sysctl', 'net.ipv4.ip_forward=1'], /the network is not its own/],
  [['--network=none', '--sysctl', 'net/../kernel/hostname=x'], /not KEY=VALUE/],
  [['--oom-score-adj', '1001'], /not between -1000 and 1000/],
  [['--dns', 'a.b'], /invalid --dns "a.b"/],
  [['--group-add', 'nobody-has-it'], /unable to find group nobody-has-it/],
]
for (const [args, message] of refused)
  test(`run ${args.join(' ')} is refused, and leaves nothing`, async (t) => {
    if (!(await requireBox(t))) return
    const ran = cli.run(['run', '--rm', ...args, 'base', 'true'])
    assert.match(ran.stderr, message)
    assert.equal(ran.code, 125)
    assert.deepEqual(cli.names('containers'), [])
    assert.deepEqual(cli.leftovers(), [])
  })

test('a device that this user may open is given as it is, no other', async (t: TestContext) => {
  if (!(await requireBox(t))) return
  const given = ['--device', '/dev/zero:/dev/nought:rw', '--device', '/dev/null:/null']
  const script = 'head -c 3 /dev/nought | wc -c; echo x > /null && test ! -s /null && echo null'
  assert.equal(cli.ok(['run', '--rm', ...given, 'base', 'sh', '-c', script]), '3\nnull\n')
  if (process.getuid!() === 0) return
  const ran = cli.run(['run', '--rm', '--device', '/dev/kmsg', 'base', 'true'])
  assert.match(ran.stderr, /cannot give device "\/dev\/kmsg": (this user may not open it|there is no)/)
})
