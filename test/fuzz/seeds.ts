/**
 * Writes what the fuzzer starts with: frames of the encoders that tsbox itself uses, so that they are always of today's
 * form. `node seeds.cjs FOLDER`; harness.c says what the bytes before them are.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Entry } from '../../src/layer/entry.js'
import { encodeEntry } from '../../src/rootless/entry-codec.js'
import { F, FrameWriter } from '../../src/rootless/frames.js'
import type { PlanOp, ProcessSpec } from '../../src/rootless/plan.js'
import { encodePlan, encodeProcess, putProcess } from '../../src/rootless/plan-codec.js'

/** As `enum` of harness.c has them; `single` is one mapped id. */
const TARGET = { plan: 0, payload: 2, apply: 3, start: 4, control: 5, request: 6, owners: 7 } as const
const SINGLE = 8
const HEADER = 5

const folder = process.argv[2]
if (!folder) throw new Error('seeds: the folder for them is missing')
mkdirSync(folder, { recursive: true })

let written = 0
function seed(target: number, content: Uint8Array, luck: Uint8Array = new Uint8Array()): void {
  const blocks = Math.ceil(luck.length / 8)
  const bytes = new Uint8Array(2 + blocks * 8 + content.length).fill(255)
  bytes.set([target, blocks])
  bytes.set(luck, 2)
  bytes.set(content, 2 + blocks * 8)
  writeFileSync(join(folder as string, `seed-${String(written++).padStart(3, '0')}`), bytes)
}

function frames(put: (w: FrameWriter) => void): Uint8Array {
  const w = new FrameWriter()
  put(w)
  return Uint8Array.from(w.take())
}

/** Without its length and type, as the helper hands it on. */
const payload = (put: (w: FrameWriter) => void) => frames(put).subarray(HEADER)

const root: PlanOp = { op: 'root', layers: ['/store/a', '/store/b,c'], upper: '/store/up', work: '/store/work' }
const ops: PlanOp[] = [
  { op: 'tree', layers: ['/store/t'] },
  { op: 'bind', source: { path: '/etc/hosts' }, target: '/etc/hosts', readonly: true, optional: true },
  {
    op: 'bind',
    source: { tree: 0 },
    sub: 'x/y',
    target: '/mnt/in',
    nosuid: true,
    own: { mode: 0o755, uid: 1, gid: 2 },
  },
  { op: 'tmpfs', target: '/run', sizeBytes: 65536, mode: 0o1777, uid: 3, gid: 4, noexec: true },
  { op: 'proc', target: '/proc' },
  { op: 'sys', target: '/sys', writable: false },
  { op: 'dev', target: '/dev', shmSizeBytes: 65536 },
  { op: 'cgroup', target: '/sys/fs/cgroup' },
  { op: 'mask', paths: ['/proc/kcore', '/proc/keys', '/sys/firmware'] },
  { op: 'readonly', paths: ['/proc/bus', '/'] },
  { op: 'file', target: '/etc/resolv.conf', content: Buffer.from('nameserver ::1\n'), mode: 0o644, uid: 0, gid: 0 },
  { op: 'symlink', path: '/etc/mtab', text: '/proc/mounts' },
  { op: 'mkdir', path: '/srv/a/b', mode: 0o700, uid: 5, gid: 6 },
  { op: 'write', path: '/proc/sys/net/ipv4/ip_forward', text: '1', optional: true },
  { op: 'hostname', name: 'box' },
  { op: 'loopback' },
  { op: 'oom', score: -17 },
  { op: 'read', path: '/etc/passwd', maxBytes: 65536 },
]
const stdio = { mode: 'frames', stdin: true } as const
const plan = (list: PlanOp[]) =>
  payload((w) => encodePlan(w, { root: '/store/mnt', network: 'own', ops: [root, ...list] }, { stdio }))
// Directories and files in turn, links that lead up, and calls that fail here and there.
const lucks = [
  [],
  Array.from({ length: 64 }, (_, i) => 255 - (i % 9)),
  Array.from({ length: 96 }, (_, i) => (i % 7 === 6 ? i % 16 : 40 + (i % 8))),
  [...Buffer.from('....../../../../etc/passwd...../a/../../b....')],
].map((l) => Uint8Array.from(l))
for (const luck of lucks)
  for (const single of [0, SINGLE]) {
    seed(TARGET.plan | single, plan(ops), luck)
    for (const op of ops) seed(TARGET.plan | single, plan([op]), luck)
  }

const program: ProcessSpec = {
  args: ['sh', '-c', 'echo hello'],
  env: ['PATH=/usr/bin:/bin', 'HOME=/root'],
  cwd: '/srv',
  uid: 1000,
  gid: 1000,
  groups: [4, 24, 27],
  capabilities: [0, 1, 3, 39],
  noNewPrivileges: true,
  umask: 0o022,
  rlimits: [{ resource: 'nofile', soft: 1024, hard: Number.POSITIVE_INFINITY }],
  emulate: true,
  seccomp: new Uint8Array(64),
  size: { columns: 80, rows: 24 },
}
seed(
  TARGET.payload,
  payload((w) => encodeProcess(w, program)),
)

const file = (path: string, size: number): Entry =>
  ({ path, type: 'file', mode: 0o4755, uid: 7, gid: 8, mtime: 1_600_000_000, size }) as Entry
const entry = (path: string, type: Entry['type'], link?: string): Entry =>
  ({ ...file(path, 0), type, ...(link === undefined ? {} : { link }), major: 1, minor: 3 }) as Entry
const layer = (list: readonly (Entry | Uint8Array)[]) =>
  frames((w) => {
    for (const item of list)
      if (item instanceof Uint8Array) w.begin(F.DATA).bytes(item).end()
      else encodeEntry(w, item)
    w.begin(F.END).end()
  })
const usual = [
  entry('', 'dir'),
  entry('dir', 'dir'),
  { ...file('dir/file', 5), xattrs: [['user.x', Uint8Array.of(1, 2, 3)]] } as Entry,
  new TextEncoder().encode('hello'),
  entry('dir/link', 'symlink', '../dir/file'),
  entry('dir/hard', 'hardlink', 'dir/file'),
  entry('fifo', 'fifo'),
  entry('null', 'char'),
  entry('disk', 'block'),
  entry('gone', 'whiteout'),
  entry('dir', 'opaque'),
]
// What a hostile archive would try: out by links, by names, by a parent that changes.
const hostile = [
  entry('up', 'symlink', '../../outside'),
  entry('up/file', 'file'),
  entry('up', 'dir'),
  entry('abs', 'symlink', '/'),
  entry('abs/outside/file', 'whiteout'),
  entry('hard', 'hardlink', 'up/file'),
  entry('a/b/c', 'file'),
  entry('a', 'symlink', '.'),
  entry('a/b/c', 'fifo'),
]
for (const single of [0, SINGLE]) {
  for (const list of [usual, hostile, [...usual, ...hostile]]) seed(TARGET.apply | single, layer(list))
  for (const item of hostile) seed(TARGET.apply | single, layer([entry('up', 'symlink', '../outside'), item]))
}

seed(
  TARGET.start,
  payload((w) => {
    w.begin(F.START).u8(1).str('/usr/bin/newuidmap').str('/usr/bin/newgidmap')
    for (let i = 0; i < 2; i++) w.u32(2).u32(0).u32(1000).u32(1).u32(1).u32(100000).u32(65536)
    w.end()
  }),
)
seed(
  TARGET.control,
  frames((w) => {
    w.begin(F.ATTACH).u8(1).end()
    w.begin(F.STDIN).bytes(new TextEncoder().encode('input\n')).end()
    w.begin(F.RESIZE).u32(80).u32(24).end()
    w.begin(F.STDIN_EOF).end()
    w.begin(F.SIGNAL).u32(15).end()
    w.begin(F.WAIT).end()
  }),
)
seed(
  TARGET.control,
  frames((w) => {
    putProcess(w.begin(F.SPAWN).u8(0).u8(1).u8(0), program).end()
    w.begin(0xa2).u32(2).u8(0).end()
    w.begin(F.STDIN).bytes(new TextEncoder().encode('input\n')).end()
    w.begin(0xa4).u32(2).u8(0).u32(3).end()
  }),
)
seed(
  TARGET.control,
  frames((w) => {
    w.begin(F.FILES).u32(1).str('/etc/passwd').end()
    w.begin(0xa5).u32(1).u32(0).bytes(new TextEncoder().encode('root:x:0:0')).end()
    w.begin(0xa6).u32(1).end()
    w.begin(0xa0).u32(0).end()
    w.begin(0xa3).u32(2).u32(2).str('exec').str('sh').end()
  }),
)
for (const luck of lucks)
  seed(
    TARGET.request,
    frames((w) => {
      w.begin(F.WALK).str('/store/tree').u8(1).end()
      w.begin(F.REMOVE).u32(2).str('/store/tmp/a').str('/store/tmp/b').end()
      w.begin(F.READ).u32(2).str('/store/tree').str('etc/passwd').str('').str('etc/group').end()
    }),
    luck,
  )
seed(TARGET.owners, Uint8Array.of(8, 1, 16, 0xff, 0xff, 0xff, 0xff, 0x0f))
seed(TARGET.owners, new Uint8Array(), Uint8Array.from([255, 24, ...Buffer.from('1 2 a/b\x003 4 c\x00')]))
console.log(`${written} seeds`)
