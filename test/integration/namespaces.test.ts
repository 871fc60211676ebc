/** Namespaces that a container does not have for itself: the machine's, those of another container, none at all. */
import assert from 'node:assert/strict'
import { readlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, test } from 'node:test'
import { HAS_SUBIDS, makeBase, processesOf, requireBox, sharedCli, writeContext } from '../helpers/cli.js'

const cli = sharedCli()
before(() => makeBase(cli, ['ipcmk', 'ipcs', 'hostname']))
const MODES = HAS_SUBIDS ? ['subid', 'single'] : ['single']
const links = (kinds: readonly string[]) => kinds.map((k) => `/proc/self/ns/${k}`).join(' ')

for (const mode of MODES)
  for (const kind of ['pid', 'ipc', 'uts', 'cgroupns'] as const)
    test(`${mode}: --${kind}=host is the machine's, and private is not`, async (t) => {
      if (!(await requireBox(t))) return
      const file = kind === 'cgroupns' ? 'cgroup' : kind
      const ours = readlinkSync(`/proc/self/ns/${file}`)
      const of = (value: string) =>
        cli
          .ok(['run', '--rm', '--userns', mode, `--${kind}`, value, 'base', 'readlink', `/proc/self/ns/${file}`])
          .trim()
      assert.equal(of('host'), ours)
      assert.notEqual(of('private'), ours)
    })

for (const mode of MODES)
  test(`${mode}: with --pid=host the container's processes, and nobody else's, end with it`, async (t) => {
    if (!(await requireBox(t))) return
    const before = processesOf(cli).length
    const script = 'ls /proc; (sleep 1000 & sleep 1000 &) ; setsid sleep 1000 & exit 3'
    const ran = cli.run(['run', '--rm', '--userns', mode, '--pid', 'host', 'base', 'sh', '-c', script])
    assert.equal(ran.code, 3)
    assert.ok(ran.stdout.split('\n').includes(String(process.pid)), 'they see us')
    assert.equal(processesOf(cli).length, before)
    cli.ok(['run', '-d', '--name', 'hp', '--userns', mode, '--pid', 'host', 'base', 'sleep', '1000'])
    assert.match(cli.run(['pause', 'hp']).stderr, /its processes are among those of others[\s\S]*hint: /)
    cli.ok(['rm', '-f', 'hp'])
    assert.equal(processesOf(cli).length, before)
  })

for (const mode of MODES)
  test(`${mode}: a container shares what it is told to with another one, and only that`, async (t) => {
    if (!(await requireBox(t))) return
    const userns = ['--userns', mode]
    const donor = ['--name', 'donor', '--ipc', 'shareable', '--network', 'none', '--hostname', 'box']
    cli.ok(['run', '-d', ...userns, ...donor, 'base', 'sh', '-c', 'echo 1 > /dev/shm/own; sleep 1000'])
    const kinds = ['ipc', 'uts', 'pid', 'net']
    const theirs = cli.ok(['exec', 'donor', 'sh', '-c', `readlink ${links([...kinds, 'mnt'])}`])
    const join = ['--ipc', 'container:donor', '--uts', 'container:donor', '--pid', 'container:donor']
    const script = `readlink ${links([...kinds, 'mnt'])}; hostname; cat /dev/shm/own; echo 2 > /dev/shm/new; ls /sys/class/net; cat /proc/2/cmdline`
    const all = cli.ok(['run', '--rm', ...userns, ...join, '--network', 'container:donor', 'base', 'sh', '-c', script])
    const lines = all.split('\n')
    assert.deepEqual(lines.slice(0, 4), theirs.split('\n').slice(0, 4))
    assert.notEqual(lines[4], theirs.split('\n')[4])
    assert.deepEqual(lines.slice(5, 8), ['box', '1', 'lo'])
    assert.match(lines[8]!, /^sh\0-c\0echo/)
    assert.equal(cli.ok(['exec', 'donor', 'cat', '/dev/shm/new']), '2\n')
    const one = cli.ok([
      'run',
      '--rm',
      ...userns,
      '--ipc',
      'container:donor',
      'base',
      'sh',
      '-c',
      `readlink ${links(kinds)}`,
    ])
    const same = one.split('\n').map((line, i) => line === theirs.split('\n')[i])
    assert.deepEqual(same.slice(0, 4), [true, false, false, false])
    // What it started there ends with it, and the other goes on.
    cli.ok(['run', '--rm', ...userns, ...join, 'base', 'sh', '-c', 'setsid sleep 1000 & setsid sleep 1000 & true'])
    assert.equal(cli.ok(['top', 'donor', '-o', 'pid,args']).trim().split('\n').length, 3)
    // A container that is in another one's ends with that.
    cli.ok(['run', '-d', '--name', 'guest', ...userns, ...join, 'base', 'sleep', '1000'])
    cli.ok(['rm', '-f', 'donor'])
    assert.equal(cli.ok(['wait', 'guest']), '137\n')
    assert.match(cli.run(['start', 'guest']).stderr, /join namespaces: the container is not running/)
    cli.ok(['rm', 'guest'])
  })

test('what can not be shared is refused with the reason', async (t) => {
  if (!(await requireBox(t))) return
  cli.ok(['run', '-d', '--name', 'aa', '--network', 'none', '--userns', 'single', 'base', 'sleep', '1000'])
  cli.ok([
    'run',
    '-d',
    '--name',
    'bb',
    '--network',
    'none',
    '--userns',
    'single',
    '--ipc',
    'shareable',
    'base',
    'sleep',
    '9',
  ])
  const cases: [args: string[], message: RegExp][] = [
    [['--ipc', 'container:aa'], /non-shareable IPC[\s\S]*hint: make the other container with --ipc shareable/],
    [['--pid', 'container:aa', '--ipc', 'container:bb'], /those of one other container only/],
    [['--uts', 'container:aa', '--hostname', 'x'], /a host name can only be given to a namespace of its own/],
    [['--network', 'container:aa', '--sysctl', 'net.ipv4.ip_forward=1'], /the network is not its own/],
    [['--pid', 'container:aa', '--pids-limit', '9'], /the user namespace is that of another container/],
    [['--pid', 'container:nobody'], /No such container: nobody/],
  ]
  for (const [args, message] of cases) {
    const ran = cli.run(['run', '--rm', '--userns', 'single', ...args, 'base', 'true'])
    assert.match(ran.stderr, message)
    assert.equal(ran.code, 125)
  }
  if (HAS_SUBIDS)
    assert.match(
      cli.run(['run', '--rm', '--userns', 'subid', '--pid', 'container:aa', 'base', 'true']).stderr,
      /its ids are mapped otherwise: "single"[\s\S]*hint: --userns single/,
    )
  cli.ok(['rm', '-f', 'aa', 'bb'])
})

test('--ipc none has no shared memory, --ipc private has its own', async (t) => {
  if (!(await requireBox(t))) return
  assert.match(cli.run(['run', '--rm', '--ipc', 'none', 'base', 'ls', '/dev/shm']).stderr, /No such file/)
  assert.equal(cli.ok(['run', '--rm', '--ipc', 'private', 'base', 'ls', '/dev/shm']), '')
})

test('--userns keep-id: the user of the container is this one, and so are the files that it writes', async (t) => {
  if (!(await requireBox(t))) return
  const dir = writeContext(cli, { given: 'x' })
  const script = 'id -u; id -g; echo y > /work/made; cat /work/given; stat -c %u:%g /work/made'
  const out = cli.ok(['run', '--rm', '--userns', 'keep-id', '-v', `${dir}:/work`, 'base', 'sh', '-c', script])
  const [uid, gid] = [process.getuid!(), process.getgid!()]
  assert.equal(out, `${uid}\n${gid}\nx${uid}:${gid}\n`)
  writeFileSync(join(dir, 'made'), 'ours to change')
  assert.equal(cli.ok(['run', '--rm', '--userns', 'keep-id', '-u', '7', 'base', 'id', '-u']), '7\n')
})

test('annotations, ports and the platform are said of a container', async (t) => {
  if (!(await requireBox(t))) return
  const args = ['--annotation', 'a=b', '--expose', '80', '--expose', '90-91/udp', '--cgroupns', 'host']
  cli.ok(['create', '--name', 'said', ...args, 'base', 'true'])
  const [info] = JSON.parse(cli.ok(['inspect', 'said']))
  assert.deepEqual(info.HostConfig.Annotations, { a: 'b' })
  assert.deepEqual(Object.keys(info.Config.ExposedPorts), ['80/tcp', '90/udp', '91/udp'])
  cli.ok(['rm', 'said'])
})
