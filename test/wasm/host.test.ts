import assert from 'node:assert/strict'
import { test } from 'node:test'
import { E, type Guest, O } from './guest.js'
import { dirAt, entryAt, fileAt, linkAt, type Ran, type RootFile, runGuest } from './run.js'

interface Case {
  does: string
  root?: RootFile[]
  guest(g: Guest): void
  /** What the layer holds; nothing where absent. */
  names?: string[]
  check?(ran: Ran): void
}

function u64(ran: Ran): bigint[] {
  // Output goes through a text decoder, so numbers are printed as two hexadecimal digits a byte by the guests below.
  const bytes = Uint8Array.from(ran.stdout.match(/../g) ?? [], (h) => Number.parseInt(h, 16))
  return [...new BigUint64Array(bytes.buffer, 0, bytes.length >> 3)]
}

/** Prints memory in hexadecimal. */
function printHex(g: Guest, pointer: number, length: number): void {
  const out = g.buffer(length * 2)
  const digit = (value: string) =>
    `(i32.add (i32.add ${value} (i32.const 48)) (i32.mul (i32.const 39) (i32.gt_u ${value} (i32.const 9))))`
  for (let i = 0; i < length; i++) {
    const byte = `(i32.load8_u (i32.const ${pointer + i}))`
    g.wat(`(i32.store8 (i32.const ${out + 2 * i}) ${digit(`(i32.shr_u ${byte} (i32.const 4))`)})`)
    g.wat(`(i32.store8 (i32.const ${out + 2 * i + 1}) ${digit(`(i32.and ${byte} (i32.const 15))`)})`)
  }
  g.print(out, length * 2)
}

const cases: Case[] = [
  {
    does: 'writes a new file with the step’s owner, mode 644 and the injected time',
    guest: (g) => g.writeFile('a.txt', 'hello'),
    names: ['file a.txt'],
    check: ({ changes: [e] }) => {
      assert.deepEqual([e!.text, e!.mode, e!.uid, e!.gid, e!.mtime], ['hello', 0o644, 0, 0, 5000])
    },
  },
  {
    does: 'reads a file of the root and leaves no trace of it',
    root: [dirAt('etc'), fileAt('etc/motd', 'welcome')],
    guest: (g) => g.cat('etc/motd'),
    names: [],
    check: ({ stdout }) => assert.equal(stdout.replaceAll('\0', ''), 'welcome'),
  },
  {
    does: 'copies up on write, parents included, and keeps mode and owner',
    root: [dirAt('etc'), fileAt('etc/conf', 'one two', { mode: 0o640, uid: 7, gid: 8 }), fileAt('etc/other', 'x')],
    guest(g) {
      const fd = g.open('etc/conf')
      g.call('fd_seek', fd, 4n, 0, g.buffer(8)).write(fd, 'six')
    },
    names: ['dir etc', 'file etc/conf'],
    check: ({ changes: [dir, file] }) => {
      assert.deepEqual([dir!.mtime, file!.text, file!.mode, file!.uid, file!.gid], [1000, 'one six', 0o640, 7, 8])
    },
  },
  {
    does: 'appends wherever the position is',
    root: [fileAt('log', '1')],
    guest(g) {
      const fd = g.open('log', 0, { flags: 1 })
      g.write(fd, '2').call('fd_seek', fd, 0n, 0, g.buffer(8)).write(fd, '3')
    },
    names: ['file log'],
    check: ({ changes: [e] }) => assert.equal(e!.text, '123'),
  },
  {
    does: 'truncates and extends with zeros, never with what was there',
    root: [fileAt('f', 'abcdef')],
    guest(g) {
      const fd = g.open('f')
      g.call('fd_filestat_set_size', fd, 2n).call('fd_filestat_set_size', fd, 4n)
    },
    names: ['file f'],
    check: ({ changes: [e] }) => assert.equal(e!.text, 'ab\0\0'),
  },
  {
    does: 'pwrite and pread leave the position alone; a gap reads as zeros',
    guest(g) {
      const fd = g.open('f', O.CREAT)
      g.call('fd_pwrite', fd, ...g.piece(...g.text('xy')), 3n, g.buffer(4)).write(fd, 'A')
      const at = g.buffer(16)
      g.call('fd_pread', fd, ...g.piece(at, 16), 3n, g.buffer(4)).print(at, 2)
    },
    names: ['file f'],
    check: ({ changes: [e], stdout }) => assert.deepEqual([e!.text, stdout], ['A\0\0xy', 'xy']),
  },
  {
    does: 'removes: whiteouts for what the root had, nothing for what it had not',
    root: [dirAt('d'), fileAt('d/old', ''), fileAt('top', '')],
    guest(g) {
      g.call('path_unlink_file', 3, ...g.text('top'))
      g.writeFile('d/new', 'x').call('path_unlink_file', 3, ...g.text('d/new'))
      g.expect(E.NOTEMPTY, 'path_remove_directory', 3, ...g.text('d'))
      g.call('path_unlink_file', 3, ...g.text('d/old'))
      g.call('path_remove_directory', 3, ...g.text('d'))
    },
    names: ['whiteout d', 'whiteout top'],
  },
  {
    does: 'a directory that replaces one of the root is opaque',
    root: [dirAt('d'), fileAt('d/old', '')],
    guest(g) {
      g.call('path_unlink_file', 3, ...g.text('d/old')).call('path_remove_directory', 3, ...g.text('d'))
      g.call('path_create_directory', 3, ...g.text('d'))
        .openFails(E.NOENT, 'd/old')
        .writeFile('d/new', 'n')
    },
    names: ['dir d', 'opaque d', 'file d/new'],
  },
  {
    does: 'renames a directory whole, with what was never looked at',
    root: [dirAt('a'), dirAt('a/b'), fileAt('a/b/f', 'deep'), linkAt('a/l', 'b/f')],
    guest: (g) =>
      g
        .call('path_rename', 3, ...g.text('a'), 3, ...g.text('z'))
        .openFails(E.NOENT, 'a/b/f')
        .cat('z/l'),
    names: ['whiteout a', 'dir z', 'dir z/b', 'file z/b/f', 'symlink z/l -> b/f'],
    check: ({ changes, stdout }) => {
      assert.equal(changes[3]!.text, 'deep')
      assert.equal(stdout.slice(0, 4), 'deep')
    },
  },
  {
    does: 'rename replaces files and empty directories, refuses the rest as rename(2) does',
    root: [dirAt('d'), dirAt('full'), fileAt('full/x', ''), fileAt('f', 'F'), fileAt('g', 'G')],
    guest(g) {
      const rename = (errno: number, from: string, to: string) =>
        g.expect(errno, 'path_rename', 3, ...g.text(from), 3, ...g.text(to))
      rename(E.ISDIR, 'f', 'd')
      rename(E.NOTDIR, 'd', 'f')
      rename(E.NOTEMPTY, 'd', 'full')
      rename(E.INVAL, 'full', 'full/inside')
      rename(E.NOENT, 'nothing', 'n')
      rename(0, 'f', 'g')
      rename(0, 'd', 'e')
    },
    names: ['whiteout d', 'dir e', 'whiteout f', 'file g'],
    check: ({ changes }) => assert.equal(changes[3]!.text, 'F'),
  },
  {
    does: 'a hard link follows the file it names',
    root: [fileAt('b', 'data')],
    guest: (g) =>
      g
        .call('path_link', 3, 0, ...g.text('b'), 3, ...g.text('a'))
        .expect(E.PERM, 'path_link', 3, 0, ...g.text('.'), 3, ...g.text('x')),
    names: ['file a', 'hardlink b -> a'],
  },
  {
    does: 'makes and reads symbolic links, also absolute ones; a short buffer cuts',
    guest(g) {
      g.call('path_symlink', ...g.text('/usr/lib'), 3, ...g.text('lib'))
      const [at, used] = [g.buffer(16), g.buffer(4)]
      g.call('path_readlink', 3, ...g.text('lib'), at, 4, used).print(at, 8)
      g.expect(E.LOOP, 'path_open', 3, 0, ...g.text('lib'), 0, 2n, 0n, 0, g.buffer(4))
    },
    names: ['symlink lib -> /usr/lib'],
    check: ({ stdout }) => assert.equal(stdout, '/usr\0\0\0\0'),
  },
  {
    does: 'puts the times of filestat where the specification has them',
    root: [fileAt('f', 'four', { mtime: 77 })],
    guest(g) {
      const at = g.buffer(64)
      g.call('path_filestat_set_times', 3, 1, ...g.text('f'), 11n, 0n, 1)
      g.call('path_filestat_get', 3, 1, ...g.text('f'), at)
      printHex(g, at, 64)
    },
    names: [],
    check(ran) {
      const [, , type, links, size, atime, mtime] = u64(ran)
      assert.deepEqual([type, links, size, atime, mtime], [4n, 1n, 4n, 11n, 77_000_000_000n])
    },
  },
  {
    does: 'sets modification times; a time both given and "now" is refused',
    root: [fileAt('f', '')],
    guest: (g) =>
      g
        .expect(E.INVAL, 'path_filestat_set_times', 3, 1, ...g.text('f'), 0n, 0n, 4 | 8)
        .call('path_filestat_set_times', 3, 1, ...g.text('f'), 0n, 9_999_999_999n, 4),
    names: ['file f'],
    check: ({ changes: [e] }) => assert.equal(e!.mtime, 9),
  },
  {
    does: 'lists a directory with cookies that stay good while it changes',
    root: [dirAt('d'), fileAt('d/a', ''), fileAt('d/b', ''), fileAt('d/c', '')],
    guest(g) {
      const fd = g.open('d', O.DIRECTORY)
      const [at, used] = [g.buffer(128), g.buffer(4)]
      // `.` and `..` take 25 and 26 bytes: cookie 2 continues behind them, whatever was removed since.
      g.call('fd_readdir', fd, at, 51, 0n, used)
      g.call('path_unlink_file', 3, ...g.text('d/a'))
      g.call('fd_readdir', fd, at, 128, 3n, used)
      for (const i of [0, 1]) g.print(at + 24 + 25 * i, 1)
      printHex(g, used, 4)
    },
    names: ['dir d', 'whiteout d/a'],
    check: ({ stdout }) => assert.equal(stdout, `bc${'32000000'}`),
  },
  {
    does: 'says with a full buffer that a listing goes on',
    root: [dirAt('d'), fileAt('d/aaaaaaaaaa', '')],
    guest(g) {
      const fd = g.open('d', O.DIRECTORY)
      const used = g.buffer(4)
      g.call('fd_readdir', fd, g.buffer(64), 60, 0n, used)
      printHex(g, used, 4)
    },
    names: [],
    check: ({ stdout }) => assert.equal(stdout, '3c000000'),
  },
  {
    does: 'renumbers descriptors and reuses the lowest free one',
    root: [fileAt('a', 'A'), fileAt('b', 'B')],
    guest(g) {
      const [a, b] = [g.open('a'), g.open('b')]
      g.call('fd_renumber', b, a).expect(E.BADF, 'fd_close', 5)
      const at = g.buffer(4)
      g.call('fd_read', 4, ...g.piece(at, 1), g.buffer(4)).print(at, 1)
      const again = g.open('a')
      printHex(g, again.at, 4)
      g.call('fd_renumber', 4, 4).expect(E.BADF, 'fd_renumber', 9, 4)
    },
    names: [],
    check: ({ stdout }) => assert.equal(stdout, 'B05000000'),
  },
  {
    does: 'waits for the first of many clocks, on the injected clock',
    guest(g) {
      const subscription = (userdata: number, clock: number, ns: bigint) => {
        const bytes = new Uint8Array(48)
        const view = new DataView(bytes.buffer)
        view.setBigUint64(0, BigInt(userdata), true)
        view.setUint32(16, clock, true)
        view.setBigUint64(24, ns, true)
        return bytes
      }
      const hour = 3_600_000_000_000n
      const [list] = g.bytes(Uint8Array.from([...subscription(1, 0, hour * 2n), ...subscription(2, 1, hour)]))
      const [events, count, time] = [g.buffer(64), g.buffer(4), g.buffer(8)]
      g.call('poll_oneoff', list, events, 2, count).expect(E.INVAL, 'poll_oneoff', list, events, 0, count)
      g.call('clock_time_get', 0, 0n, time)
      printHex(g, count, 4)
      printHex(g, events, 4)
      printHex(g, time, 8)
    },
    names: [],
    check({ stdout }) {
      assert.equal(stdout.slice(0, 16), '0100000002000000')
      const time = u64({ stdout: stdout.slice(16) } as Ran)[0]!
      assert.equal(time / 1_000_000_000n, 8600n)
    },
  },
  {
    does: 'standard streams are ready at once, so a clock beside them does not wait',
    guest(g) {
      const bytes = new Uint8Array(96)
      const view = new DataView(bytes.buffer)
      view.setBigUint64(24, 10n ** 18n, true)
      view.setUint8(48 + 8, 1)
      view.setUint32(48 + 16, 0, true)
      const [list] = g.bytes(bytes)
      const [events, count] = [g.buffer(64), g.buffer(4)]
      g.call('poll_oneoff', list, events, 2, count)
      printHex(g, count, 1)
      printHex(g, events + 10, 1)
    },
    names: [],
    check: ({ stdout }) => assert.equal(stdout, '0101'),
  },
  {
    does: 'the devices are there and never enter the layer',
    guest(g) {
      const at = g.buffer(8)
      for (const [name, read] of [
        ['null', 0],
        ['zero', 8],
        ['urandom', 8],
        ['full', 8],
      ] as const) {
        const fd = g.open(`dev/${name}`)
        const got = g.buffer(4)
        g.call('fd_read', fd, ...g.piece(at, 8), got)
        g.wat(`(if (i32.ne (i32.load (i32.const ${got})) (i32.const ${read})) (then (call $proc_exit (i32.const 99))))`)
        g.expect(name === 'full' ? E.NOSPC : 0, 'fd_write', fd, ...g.piece(at, 8), g.buffer(4))
      }
      g.expect(E.BUSY, 'path_unlink_file', 3, ...g.text('dev/null')).writeFile('dev/mine', 'x')
      g.expect(E.XDEV, 'path_rename', 3, ...g.text('dev/mine'), 3, ...g.text('mine'))
    },
    names: [],
  },
  {
    does: 'there are no sockets',
    guest(g) {
      g.expect(E.NOTSOCK, 'sock_shutdown', 1, 2).expect(E.BADF, 'sock_shutdown', 77, 2)
      g.expect(E.NOTSOCK, 'sock_recv', 0, ...g.piece(0, 0), 0, g.buffer(4), g.buffer(4))
    },
    names: [],
  },
  {
    does: 'an address outside of memory is EFAULT, not a crash of the host',
    guest(g) {
      g.expect(E.FAULT, 'random_get', -8, 16).expect(E.FAULT, 'path_open', 3, 0, 0x7fffffff, 9, 0, 0n, 0n, 0, 0)
      g.expect(E.FAULT, 'clock_time_get', 0, 0n, -1).expect(E.FAULT, 'fd_write', 1, 0x7ffffff0, 5, 0)
    },
    names: [],
  },
  {
    does: 'descriptors obey how they were opened',
    root: [dirAt('d'), fileAt('f', 'x')],
    guest(g) {
      const [readOnly, writeOnly] = [g.open('f', 0, { rights: 2n }), g.open('f', 0, { rights: 64n })]
      const some = g.piece(g.buffer(4), 4)
      g.expect(E.BADF, 'fd_write', readOnly, ...some, g.buffer(4)).expect(
        E.BADF,
        'fd_read',
        writeOnly,
        ...some,
        g.buffer(4),
      )
      const dir = g.open('d', O.DIRECTORY)
      g.expect(E.BADF, 'fd_read', dir, ...some, g.buffer(4)).expect(E.BADF, 'fd_seek', dir, 0n, 0, g.buffer(8))
      g.openFails(E.ISDIR, 'd')
        .openFails(E.NOTDIR, 'f', O.DIRECTORY)
        .openFails(E.NOTDIR, 'f/')
        .openFails(E.NOTDIR, 'f/x')
      g.openFails(E.EXIST, 'f', O.CREAT | O.EXCL).openFails(E.INVAL, 'q', O.CREAT | O.DIRECTORY)
      g.call('fd_fdstat_set_rights', 3, 0n, 0n).expect(E.NOTCAPABLE, 'fd_fdstat_set_rights', 3, 2n, 0n)
      g.openFails(E.NOTCAPABLE, 'f', O.TRUNC)
    },
    names: [],
  },
  {
    does: 'a file that was removed lives on in its descriptor',
    guest(g) {
      const fd = g.open('t', O.CREAT)
      g.write(fd, 'kept').call('path_unlink_file', 3, ...g.text('t'))
      const at = g.buffer(4)
      g.call('fd_pread', fd, ...g.piece(at, 4), 0n, g.buffer(4))
        .print(at, 4)
        .call('fd_close', fd)
    },
    names: [],
    check: ({ stdout }) => assert.equal(stdout, 'kept'),
  },
  {
    does: 'scripts and programs are executable by their look',
    guest: (g) => g.writeFile('run.sh', '#!/bin/sh\n').writeFile('notes', '# !').writeFile('p.wasm', '\0asm\x01\0\0\0'),
    names: ['file notes', 'file p.wasm', 'file run.sh'],
    check: ({ changes }) =>
      assert.deepEqual(
        changes.map((e) => e.mode),
        [0o644, 0o755, 0o755],
      ),
  },
  {
    does: 'devices, owners and link counts of the root stay what they are when only moved',
    root: [{ entry: entryAt('pipe', 'fifo', { uid: 3 }) }, { entry: entryAt('tty', 'char', { major: 5, minor: 1 }) }],
    guest: (g) =>
      g
        .call('path_rename', 3, ...g.text('tty'), 3, ...g.text('tty2'))
        .call('path_rename', 3, ...g.text('pipe'), 3, ...g.text('p')),
    names: ['fifo p', 'whiteout pipe', 'whiteout tty', 'char tty2'],
    check: ({ changes }) => assert.deepEqual([changes[0]!.uid, changes[3]!.major, changes[3]!.minor], [3, 5, 1]),
  },
]

for (const { does, root, guest, names, check } of cases)
  test(`a WASI guest: ${does}`, async () => {
    const ran = await runGuest(guest, root)
    assert.equal(ran.exitCode, 0, `call ${ran.exitCode} had another result ${ran.stderr}`)
    if (names) assert.deepEqual(ran.names, names)
    check?.(ran)
  })

test('arguments and environment arrive in UTF-8, with PWD and HOME', async () => {
  const text = ['/main.wasm\0größe\0日本\0', 'LANG=ü\0HOME=/\0PWD=/\0']
  const ran = await runGuest(
    (g) => {
      const [count, size, pointers, buffer] = [g.buffer(4), g.buffer(4), g.buffer(64), g.buffer(256)]
      for (const [i, what] of ['args', 'environ'].entries()) {
        g.call(`${what}_sizes_get`, count, size).call(`${what}_get`, pointers, buffer)
        g.print(buffer, Buffer.byteLength(text[i]!))
        printHex(g, size, 1)
      }
    },
    [],
    { args: ['/main.wasm', 'größe', '日本'], env: ['LANG=ü', 'PWD=/wrong'] },
  )
  assert.equal(ran.exitCode, 0)
  assert.equal(ran.stdout, text.map((t) => t + Buffer.byteLength(t).toString(16)).join(''))
})

test('exit codes: proc_exit, a raised signal, a trap', async () => {
  assert.equal((await runGuest((g) => g.call('proc_exit', 42))).exitCode, 42)
  assert.equal((await runGuest((g) => g.call('proc_raise', 9))).exitCode, 137)
  const trapped = await runGuest((g) => g.wat('unreachable'))
  assert.deepEqual([trapped.exitCode, trapped.stderr], [134, 'trap: unreachable\n'])
})

test('equal runs see equal times and random numbers', async () => {
  const look = (g: Guest) => {
    const at = g.buffer(16)
    g.call('random_get', at, 8).call('clock_time_get', 1, 0n, at + 8)
    printHex(g, at, 16)
  }
  const [a, b] = [await runGuest(look), await runGuest(look)]
  assert.equal(a.stdout.length, 32)
  assert.equal(a.stdout, b.stdout)
})

test('files hold no more memory than allowed, and sparse ones none', async () => {
  const ran = await runGuest((g) => {
    const fd = g.open('f', O.CREAT)
    g.call('fd_filestat_set_size', fd, 1n << 33n).call('fd_filestat_set_size', fd, 0n)
    g.expect(E.FBIG, 'fd_filestat_set_size', fd, 1n << 40n)
    const piece = g.piece(0, 65536)
    for (let i = 0; i < 256; i++) g.call('fd_write', fd, ...piece, g.buffer(4))
    g.expect(E.NOSPC, 'fd_write', fd, ...piece, g.buffer(4))
      .call('path_unlink_file', 3, ...g.text('f'))
      .call('fd_close', fd)
    g.writeFile('small', 'fits again')
  })
  assert.equal(ran.exitCode, 0)
  assert.deepEqual(ran.names, ['file small'])
})
