/** Places 3: inside of containers, with less each time. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { openCli, REPO, removeMapped, requireBox, startProgram, TSBOX, writeContext } from '../helpers/cli.js'
import { isAlive, until } from '../helpers/userns.js'
import { bwrap, compileRefuser, type Prepared, place } from './place.js'

/** An empty root for a container of podman, with the links that lead to this machine's files. */
function emptyRoot(dir: string): string {
  const root = join(dir, 'machine')
  for (const name of ['usr', 'etc', 'proc', 'dev', 'sys', 'run', 'tmp', 'var'])
    mkdirSync(join(root, name), { recursive: true })
  for (const name of ['bin', 'sbin', 'lib', 'lib64'])
    if (existsSync(`/${name}`)) symlinkSync(`usr/${name}`, join(root, name))
  return root
}

/**
 * podman with a store of its own, without images or a network. It must not lie in the folder that the container gets:
 * what podman mounts there would show a /proc that is not masked.
 */
function podman(p: Prepared, options: readonly string[]): readonly string[] {
  const own = mkdtempSync(`${p.dir}-podman-`)
  const global = ['--root', join(own, 'root'), '--runroot', join(own, 'run'), '--runtime', 'runc']
  const storage = ['--storage-driver', 'vfs', '--storage-opt', 'vfs.ignore_chown_errors=true']
  p.later(async () => {
    // Its files may belong to mapped users, and a process that keeps its namespaces stays otherwise.
    spawnSync('podman', [...global, ...storage, 'system', 'reset', '-f'], { env: p.cli.env })
    await removeMapped(own)
  })
  const passed = ['TSBOX', 'BASE', 'OUT', 'CONTEXT', 'OPTIONS', 'TSBOX_ROOT', 'SOURCE_DATE_EPOCH', 'PATH']
  return [
    ...['podman', ...global, ...storage],
    ...['run', '--rm', '--network', 'none', '--log-driver', 'none', '-w', p.dir, ...options],
    ...passed.flatMap((name) => ['-e', name]),
    ...['/usr', '/etc', REPO].flatMap((dir) => ['-v', `${dir}:${dir}:ro`]),
    ...['-v', `${p.dir}:${p.dir}`, '--rootfs', emptyRoot(own)],
  ]
}

/** The base image lies beside the test's folder: the container shall see that, too. */
function withBase(start: (p: Prepared) => readonly string[]): (p: Prepared) => readonly string[] {
  return (p) => [
    'sh',
    '-c',
    'cp "$BASE" "$0/base.tar" && BASE=$0/base.tar && export BASE && exec "$@"',
    p.dir,
    ...start(p),
  ]
}

const PODMAN = [['podman'], ['runc']] as const

place('a container of podman and runc', {
  needs: PODMAN,
  start: withBase((p) => podman(p, [])),
  doctor: {
    container: ['info', /podman/],
    proc: ['missing', /^refused \(EPERM\): steps get the one around tsbox/],
    hostname: ['missing', /^refused \(EPERM\)/],
    seccomp: ['info', /./],
  },
})

place('a container of podman, as an ordinary user of it', {
  needs: PODMAN,
  subids: true,
  start: withBase((p) => ['sh', '-c', 'chmod -R a+rwX "$0" && exec "$@"', p.dir, ...podman(p, ['-u', '1000:1000'])]),
  mode: 'single',
  doctor: { subid: ['missing', /./], proc: ['missing', /./] },
})

place('a masked /proc', {
  needs: [['bwrap', 'bubblewrap']],
  start: () =>
    bwrap(
      '--unshare-user',
      '--unshare-pid',
      '--proc',
      '/proc',
      '--ro-bind',
      '/dev/null',
      '/proc/meminfo',
      '--tmpfs',
      '/proc/fs',
    ),
  mode: 'single',
  doctor: { proc: ['missing', /^refused \(EPERM\)/], pids: ['ok', /./] },
})

const NO_PIDS = ['clone3=ENOSYS', 'clone:0&0x20000000=EPERM', '--']

place('no new pid namespace', {
  start: (p) => [p.refuse, ...NO_PIDS],
  mode: 'single',
  doctor: { pids: ['missing', /^refused \(EPERM\): steps share those around tsbox/], proc: ['missing', /./] },
  look: (_, { log }) => assert.match(log, /warning: the processes around tsbox are shared/),
})

place('no namespaces but of users and mounts', {
  start: (p) => [p.refuse, 'clone3=ENOSYS', 'clone:0&0x60000000=EPERM', 'sethostname=EPERM', '--'],
  mode: 'single',
  doctor: { pids: ['missing', /./], hostname: ['missing', /./] },
})

place('one id and a masked /proc, in a namespace of another', {
  needs: [
    ['bwrap', 'bubblewrap'],
    ['unshare', 'util-linux'],
  ],
  start: () => [
    ...['unshare', '--user', '--map-root-user', '--mount'],
    ...bwrap('--unshare-user', '--unshare-pid', '--proc', '/proc', '--tmpfs', '/proc/fs'),
  ],
  mode: 'single',
  doctor: { subid: ['missing', /^only 1 of the ids/], proc: ['missing', /./] },
})

test('without a pid namespace nothing of a container outlives it, nor a tsbox that is killed', async (t) => {
  if (!(await requireBox(t))) return
  const cli = openCli(t)
  const refuse = compileRefuser(t, cli)
  if (!refuse) return
  cli.ok(['image', 'from-host', 'base', 'sh', 'sleep', 'cat', 'kill'])
  const env = cli.env
  const mark = `7${process.pid}`
  const sleepers = () =>
    spawnSync('pgrep', ['-u', String(process.getuid!()), '-x', '-f', `sleep ${mark}`], { encoding: 'utf8' })
      .stdout.split('\n')
      .filter(Boolean)
      .map(Number)
      .filter(isAlive)
  const command = `(sleep ${mark} &) ; (exec sleep ${mark} &) ; read x`
  const ended = spawnSync(refuse, [...NO_PIDS, TSBOX, 'run', '--rm', '-i', 'base', 'sh', '-c', command], {
    env,
    input: '\n',
  })
  assert.equal(ended.status, 0, String(ended.stderr))
  assert.deepEqual(sleepers(), [], 'its end ends them')

  const steps = writeContext(cli, { Dockerfile: `FROM base\nRUN (sleep ${mark} &) ; exec sleep ${mark}\n` })
  const args = [...NO_PIDS, TSBOX, 'build', steps]
  const running = startProgram(refuse, args, { env, cwd: cli.dir, stdio: 'pipe' })
  await until(() => sleepers().length === 2)
  running.child.kill('SIGKILL')
  await until(() => sleepers().length === 0)
})
