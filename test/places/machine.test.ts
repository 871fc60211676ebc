/** Places 2: what a machine may lack. */
import { mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { bwrap, place } from './place.js'

place('no /dev/net/tun and no /dev/fuse', {
  needs: [['bwrap', 'bubblewrap']],
  start: () => ['bwrap', '--bind', '/', '/', '--dev', '/dev', '--bind', '/dev/shm', '/dev/shm'],
  mode: 'single',
  doctor: { tun: ['info', /^ENOENT; not needed/], fuse: ['info', /^ENOENT; not needed/] },
})

place('no cgroup v2', {
  needs: [['bwrap', 'bubblewrap']],
  start: () => bwrap('--tmpfs', '/sys/fs/cgroup'),
  doctor: { cgroup: ['missing', /^no cgroup v2 hierarchy/] },
})

place('no delegation, as hybrid cgroups have it', {
  needs: [['bwrap', 'bubblewrap']],
  start: () => bwrap('--ro-bind', '/sys/fs/cgroup', '/sys/fs/cgroup'),
  doctor: { cgroup: ['missing', /EACCES|EROFS|no cgroup v2|no memory/] },
})

place('no XDG_RUNTIME_DIR', {
  env: () => ({ XDG_RUNTIME_DIR: undefined, DBUS_SESSION_BUS_ADDRESS: undefined }),
  doctor: { 'runtime-dir': ['info', /^not set; not needed/] },
})

place('nothing in the environment but PATH', {
  needs: [['env', 'coreutils']],
  start: (p) => {
    const given = ['PATH', 'TSBOX', 'BASE', 'OUT', 'CONTEXT', 'OPTIONS', 'TSBOX_ROOT', 'SOURCE_DATE_EPOCH']
    const list = given.map((name) => `${name}="$${name}"`).join(' ')
    return ['sh', '-c', `exec env -i ${list} "$@"`, p.dir]
  },
  doctor: { store: ['ok', /./] },
})

place('no HOME', {
  needs: [['bwrap', 'bubblewrap']],
  // The account's own home counts: here one in the folder of the test.
  start: (p) => {
    mkdirSync(join(p.dir, 'home'))
    const entry = `somebody:x:${process.getuid!()}:${process.getgid!()}::${join(p.dir, 'home')}:/bin/sh`
    return [
      'sh',
      '-c',
      `echo '${entry}' >"$0/passwd"; exec bwrap --dev-bind / / --ro-bind "$0/passwd" /etc/passwd "$@"`,
      p.dir,
    ]
  },
  env: () => ({ HOME: undefined, TSBOX_ROOT: undefined }),
  doctor: { store: ['ok', /\/home\/\.local\/share\/tsbox$/], account: ['ok', /^somebody/] },
})

place('a read-only home', {
  needs: [['bwrap', 'bubblewrap']],
  start: (p) => {
    mkdirSync(join(p.dir, 'home'))
    mkdirSync(join(p.dir, 'tmp'))
    const home = join(p.dir, 'home')
    return bwrap('--ro-bind', home, home, '--bind', join(p.dir, 'tmp'), '/var/tmp')
  },
  env: (p) => ({ HOME: join(p.dir, 'home'), TSBOX_ROOT: undefined }),
  doctor: { store: ['info', /^\/var\/tmp\/tsbox-\d+, because nothing can be made in ".*home": E/] },
})

place('a path with spaces, commas, colons and 200 characters', {
  env: (p) => ({ TSBOX_ROOT: join(p.dir, 'a b, c:d\\e "f" %s é', 'x'.repeat(200)) }),
  doctor: { store: ['ok', /x{200}$/], overlay: ['ok', /./] },
})

place('a store behind a link', {
  env: (p) => {
    mkdirSync(join(p.dir, 'real'))
    symlinkSync(join(p.dir, 'real'), join(p.dir, 'link'))
    return { TSBOX_ROOT: join(p.dir, 'link', 'store') }
  },
  doctor: { overlay: ['ok', /./] },
})
