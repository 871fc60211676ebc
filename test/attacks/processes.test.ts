/** What a container's processes can do to those outside, to the machine's limits, and to its cgroups. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { before } from 'node:test'
import { attack, attackInModes, makeCanary, makeEvil } from '../helpers/attack.js'
import { makeBase, REPO, sharedCli, writeContext } from '../helpers/cli.js'

const cli = sharedCli()
before(() => makeBase(cli, ['mount', 'umount', 'unshare', 'nsenter', 'kill', 'ps', 'find']))

attackInModes('processes outside', 'none is seen, signalled or entered', (_, mode) => {
  const script = `
for p in /proc/[0-9]*; do echo "$p $(cat $p/comm)"; done
for p in ${process.pid} ${process.ppid}; do kill -9 $p; kill -0 $p; cat /proc/$p/environ; ls /proc/$p/root; done
cat /proc/1/environ; ls /proc/1/root/home /proc/1/cwd/..
nsenter -t 1 -m true; nsenter -t ${process.pid} -m true; true`
  for (const args of [[], ['--cap-add', 'ALL']]) {
    const ran = cli.run(['run', '--rm', '--userns', mode, ...args, 'base', 'sh', '-c', script])
    assert.doesNotMatch(ran.stdout, /\b(node|systemd|dockerd)\b|TSBOX_/, 'nothing of outside')
    const names = [...ran.stdout.matchAll(/^\/proc\/(\d+) (.*)$/gm)].map((m) => m[2])
    assert.match(names[0] ?? '', /^(memfd:tsbox|3|tsbox-helper)/, 'process 1 is its init')
    assert.ok(names.length <= 4, names.join(' '))
  }
})

attackInModes(
  'supervisor',
  'process 1 tells a container nothing of the host: no environment, no folder, no root',
  (_, mode) => {
    const script =
      'cat /proc/1/environ; readlink /proc/1/cwd; readlink /proc/1/root; readlink /proc/1/exe; cat /proc/1/cmdline'
    const ran = cli.run(['run', '--rm', '--privileged', '--userns', mode, '-e', 'A=1', 'base', 'sh', '-c', script])
    assert.match(ran.stdout, /^(\/|\/proc)\n\/\n\/memfd:tsbox-helper \(deleted\)\ntsbox-helper/)
    assert.doesNotMatch(ran.stdout, new RegExp(`${cli.root}|TSBOX`))
  },
)

attackInModes('fork bomb', '--ulimit nproc ends it, and the machine goes on', async (t, mode) => {
  const image = makeEvil(t, cli, mode)
  if (!image) return
  // The kernel does not count root of the machine.
  if (process.getuid!() === 0) return void t.skip('as root nothing is counted')
  const args = ['run', '--rm', '--userns', mode, '--ulimit', 'nproc=40', image, '/attack', 'bomb', '500']
  const { stdout } = cli.run(args)
  const [count, ...why] = stdout.trim().split(' ')
  assert.equal(why.join(' '), 'Resource temporarily unavailable', stdout)
  assert.ok(Number(count) < 40, count)
  assert.equal(cli.ok(['run', '--rm', '--userns', mode, 'base', 'sh', '-c', 'echo up']), 'up\n')
  assert.deepEqual(cli.leftovers(), [])
})

attackInModes('CVE-2022-0492', 'no cgroup is made, left or given a release agent', (_, mode) => {
  const { dir, assertUntouched } = makeCanary(cli)
  const script = `
mkdir -p /tmp/c
for type in cgroup cgroup2; do for o in rdma memory cpu pids devices none,name=x; do
  mount -t $type -o $o x /tmp/c 2> /dev/null && {
    echo ${dir}/file > /tmp/c/release_agent && echo "agent $type $o"
    mkdir /tmp/c/sub && echo "made $type $o"; echo 1 > /tmp/c/sub/notify_on_release; echo $$ > /tmp/c/cgroup.procs && echo "moved $type $o"
    umount /tmp/c; }
done; done 2> /dev/null
for f in $(find /sys/fs/cgroup -name release_agent -o -name cgroup.procs -o -name devices.allow 2> /dev/null | head -50); do echo 1 > $f && echo "wrote $f"; done 2> /dev/null
true`
  for (const [args, command] of [
    [[], ['sh', '-c', script]],
    [[], ['unshare', '-UrmC', 'sh', '-c', script]],
    [
      ['--cap-add', 'SYS_ADMIN'],
      ['sh', '-c', script],
    ],
    [
      ['--security-opt', 'seccomp=unconfined'],
      ['unshare', '-UrmC', 'sh', '-c', script],
    ],
  ] as const) {
    const ran = cli.run(['run', '--rm', '--userns', mode, ...args, 'base', ...command])
    // Who runs all this as root of the machine has what root has.
    if (process.getuid!() !== 0) assert.equal(ran.stdout, '', args.join(' '))
    assertUntouched(ran)
  }
})

attack('CVE-2019-14271', 'nothing of an image is loaded by what runs outside of it', () => {
  const { dir, assertUntouched } = makeCanary(cli)
  const program = readFileSync(join(REPO, 'dist/tsbox-helper'))
  const count = program.readUInt16LE(56)
  const at = Number(program.readBigUInt64LE(32))
  const types = Array.from({ length: count }, (_, i) => program.readUInt32LE(at + i * program.readUInt16LE(54)))
  // PT_INTERP and PT_DYNAMIC: a static program loads no library and asks no name service.
  assert.ok(count > 0 && !types.includes(3) && !types.includes(2), `program headers ${types}`)
  const Dockerfile = `FROM base
RUN echo 'passwd: evil' > /etc/nsswitch.conf && mkdir -p /lib/evil && cp /bin/true /lib/libnss_evil.so.2 && echo "${dir}/file" > /etc/ld.so.preload
USER somebody
RUN true
`
  assertUntouched(cli.run(['build', '--progress', 'plain', writeContext(cli, { Dockerfile })]))
})

attackInModes('environment', 'variables that steer loaders and tsbox itself stay in the container', (_, mode) => {
  const { dir, assertUntouched } = makeCanary(cli)
  const names = ['LD_PRELOAD', 'LD_LIBRARY_PATH', 'NODE_OPTIONS', 'TSBOX_ROOT', 'TSBOX_HELPER', 'PATH', 'GCONV_PATH']
  const Dockerfile = `FROM base\n${names.map((n) => `ENV ${n}=${n === 'PATH' ? `${dir}:/usr/bin:/bin` : `${dir}/file`}`).join('\n')}\nRUN true\n`
  const built = cli.run(['build', '-t', `env-${mode}`, '--userns', mode, writeContext(cli, { Dockerfile })])
  assert.equal(built.code, 0, built.stderr)
  const { stdout } = cli.run(['run', '--rm', '--userns', mode, `env-${mode}`, 'env'])
  assert.match(stdout, /^TSBOX_ROOT=.*canary/m)
  assert.doesNotMatch(stdout, /^(TSBOX_TEST_MARK|USER|LOGNAME|SHELL)=/m)
  assertUntouched(built)
})
