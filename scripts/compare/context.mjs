// The files that all cases copy from, made anew each time: git keeps no modes, links only in part, and no archives.
import { spawnSync } from 'node:child_process'
import { chmodSync, linkSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { pack } from 'tar-stream'

const FILES = {
  'a.txt': 'a\n',
  'b.txt': 'b\n',
  '.hidden': 'hidden\n',
  'run.sh': ['#!/bin/sh\necho run\n', 0o755],
  secret: ['secret\n', 0o600],
  'not-an-archive.tar': 'only called so\n',
  'dir/one': 'one\n',
  'dir/two': 'two\n',
  'dir/.hidden': 'hidden\n',
  'dir/sub/three': 'three\n',
  'dir/private/four': 'four\n',
  'deep/l1/l2/l3/file': 'deep\n',
  'deep/l1/l2/x.txt': 'x\n',
  'deep/other/l2/file': 'other\n',
  'wild/x1.txt': 'x1\n',
  'wild/x2.txt': 'x2\n',
  'wild/y1.log': 'y1\n',
  'wild/xx.txt': 'xx\n',
  'wild/sp ace.txt': 'space\n',
  'odd/[odd].txt': 'odd\n',
  'wild/-dash': 'dash\n',
  'modes/setuid': ['s\n', 0o4755],
  'modes/setgid': ['s\n', 0o2711],
  'modes/readonly': ['r\n', 0o444],
  'modes/open': ['o\n', 0o666],
  'modes/shared/x': 'x\n',
  'hard/first': 'linked\n',
  'ünïcode/名前': 'name\n',
}
const EMPTY_DIRS = ['dir/empty', 'modes/sticky']
const DIR_MODES = { 'dir/private': 0o700, 'modes/sticky': 0o1777, 'modes/shared': 0o2775 }
const LINKS = {
  'top-link': 'a.txt',
  'top-dirlink': 'dir',
  'links/to-file': '../a.txt',
  'links/to-dir': '../dir',
  'links/dangling': 'nowhere',
  'links/absolute': '/etc/passwd',
  'links/chain': 'to-file',
}

function write(root, files) {
  for (const [name, file] of Object.entries(files)) {
    const [text, mode] = Array.isArray(file) ? file : [file, 0o644]
    mkdirSync(dirname(join(root, name)), { recursive: true })
    writeFileSync(join(root, name), text)
    chmodSync(join(root, name), mode)
  }
}

function link(root, links) {
  for (const [name, target] of Object.entries(links)) {
    mkdirSync(dirname(join(root, name)), { recursive: true })
    symlinkSync(target, join(root, name))
  }
}

/** A tar with what a tar can have: owners, modes, links of both kinds, an entry without its folder. */
async function archive() {
  const tar = pack()
  const mtime = new Date(1_600_000_000_000)
  const put = (header, content = '') => tar.entry({ mtime, ...header }, content)
  put({ name: 'pkg/', type: 'directory', mode: 0o750, uid: 1000, gid: 1001 })
  put({ name: 'pkg/file', mode: 0o640, uid: 1000, gid: 1001 }, 'packed\n')
  put({ name: 'pkg/tool', mode: 0o4755, uid: 0, gid: 0 }, 'tool\n')
  put({ name: 'pkg/link', type: 'symlink', linkname: 'file', uid: 5, gid: 6 })
  put({ name: 'pkg/hard', type: 'link', linkname: 'pkg/file', mode: 0o640, uid: 1000, gid: 1001 })
  put({ name: 'alone/in/here', mode: 0o644, uid: 7, gid: 8 }, 'alone\n')
  put({ name: './dotted', mode: 0o600, uid: 0, gid: 0 }, 'dotted\n')
  tar.finalize()
  const chunks = []
  for await (const chunk of tar) chunks.push(chunk)
  return Buffer.concat(chunks)
}

function compress(program, bytes) {
  const done = spawnSync(program, ['-c'], { input: bytes })
  if (done.error || done.status !== 0) throw new Error(`${program}: ${done.error?.message ?? done.stderr}`)
  return done.stdout
}

/** Writes the context into `root`. */
export async function writeContext(root) {
  // Modes are said, not left to the caller's umask.
  const umask = process.umask(0o022)
  try {
    mkdirSync(root)
    write(root, FILES)
    for (const dir of EMPTY_DIRS) mkdirSync(join(root, dir))
    for (const [dir, mode] of Object.entries(DIR_MODES)) chmodSync(join(root, dir), mode)
    link(root, LINKS)
    linkSync(join(root, 'hard/first'), join(root, 'hard/second'))
    const tar = await archive()
    write(root, {
      'pkg.tar': tar,
      'pkg.tar.gz': gzipSync(tar),
      'pkg.tar.bz2': compress('bzip2', tar),
      'pkg.tar.xz': compress('xz', tar),
      'pkg.tar.zst': compress('zstd', tar),
    })
  } finally {
    process.umask(umask)
  }
}

const APPLETS = 'sh cat echo mkdir chown chmod ln rm mv touch true false test id ls mkfifo pwd stat'.split(' ')

/**
 * Writes the context of the base image.
 *
 * @param busybox path of a static one
 */
export function writeBaseContext(root, busybox) {
  const umask = process.umask(0o022)
  try {
    write(join(root, 'root'), {
      'bin/busybox': [readFileSync(busybox), 0o755],
      'etc/passwd': 'root:x:0:0::/root:/bin/sh\napp:x:1000:1001::/home/app:/bin/sh\n',
      'etc/group': 'root:x:0:\napp:x:1001:\nstaff:x:50:app\n',
      'etc/motd': 'hello\n',
    })
    link(join(root, 'root'), {
      ...Object.fromEntries(APPLETS.map((name) => [`bin/${name}`, 'busybox'])),
      link: 'srv/data',
      rootlink: '/srv',
      'etc/alias': 'passwd',
    })
    for (const dir of ['tmp', 'root', 'srv', 'home', 'opt', 'dev', 'proc', 'sys', 'run'])
      mkdirSync(join(root, 'root', dir))
    chmodSync(join(root, 'root/tmp'), 0o1777)
    chmodSync(join(root, 'root/root'), 0o700)
    write(join(root, 'owned'), { own: ['own\n', 0o640] })
  } finally {
    process.umask(umask)
  }
}
