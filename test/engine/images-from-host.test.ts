import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { readElf } from '../../src/engine/from-host/elf.js'
import { confDirs, parseCache } from '../../src/engine/from-host/library-path.js'
import type { Toc } from '../../src/layer/toc.js'
import { withImages } from '../helpers/images.js'
import { requireProgram, runProgram } from '../helpers/programs.js'
import { tempDir } from '../helpers/temp.js'

/** Makes an image and looks at its one layer. */
async function made(t: TestContext, programs: string[], env: Record<string, string> = {}) {
  const { images, store, lease } = withImages(t, { PATH: process.env.PATH ?? '', ...env })
  const id = await images.fromHost('base', programs)
  const { RootFS, Config } = await images.inspect('base')
  const diffID = RootFS.Layers[0]!
  const toc = store.layers.toc(diffID, lease)!
  return { id, toc, config: Config, tar: store.blobs.path(diffID) }
}

const paths = (toc: Toc) => toc.items.map((i) => i.entry.path)
const entryOf = (toc: Toc, path: string) => toc.items.find((i) => i.entry.path === path)?.entry

/** Unpacks a layer and runs a program in it as a user that is root there. False where this machine can't. */
function runIn(t: TestContext, tar: string, args: string[]): string | undefined {
  const root = join(tempDir(t), 'root')
  mkdirSync(root)
  runProgram('tar', ['-C', root, '--no-same-owner', '-xf', tar])
  const probe = spawnSync('unshare', ['-r', 'chroot', '/', 'true'])
  if (probe.status !== 0) {
    if (process.env.TSBOX_MUST_WORK === '1') throw new Error(`unshare: ${probe.stderr}`)
    t.skip('user namespaces are not available')
    return undefined
  }
  return runProgram('unshare', ['-r', 'chroot', root, ...args], { env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' } })
}

test('from-host makes a root in which its programs run', async (t) => {
  const { toc, tar, config } = await made(t, ['sh', 'ls', 'env'])
  assert.deepEqual(config.Cmd, ['/bin/sh'])
  assert.equal(entryOf(toc, 'tmp')?.mode, 0o1777)
  assert.equal(entryOf(toc, 'root')?.mode, 0o700)
  for (const { entry } of toc.items) {
    assert.deepEqual([entry.uid, entry.gid, entry.mtime], [0, 0, 0], entry.path)
    assert.ok(!entry.path.startsWith('home/'), entry.path)
  }
  const out = runIn(t, tar, ['/bin/sh', '-c', 'ls -d /etc/passwd /tmp && env A=b | while read x; do echo "$x"; done'])
  if (out !== undefined) assert.match(out, /^\/etc\/passwd\n\/tmp\n(?:.*\n)*A=b\n/)
})

test('from-host gives the same image again, with the time that is asked for', async (t) => {
  const one = await made(t, ['sh', 'cat'])
  assert.equal((await made(t, ['sh', 'cat'])).id, one.id)
  const dated = await made(t, ['sh', 'cat'], { SOURCE_DATE_EPOCH: '77' })
  assert.equal(dated.toc.maxMtime, 77)
})

test('from-host keeps the links of the machine', async (t) => {
  if (!requireProgram(t, 'awk', 'mawk')) return
  const { toc, tar } = await made(t, ['awk'])
  const link = entryOf(toc, 'usr/bin/awk') ?? entryOf(toc, 'bin/awk')
  assert.ok(link?.type === 'symlink' || link?.type === 'file')
  const out = runIn(t, tar, ['/usr/bin/awk', 'BEGIN { print 6 * 7 }'])
  if (out !== undefined) assert.equal(out, '42\n')
})

test('from-host finds the interpreters of scripts', async (t) => {
  const dir = tempDir(t)
  const script = join(dir, 'hello')
  writeFileSync(script, '#!/usr/bin/env -S A=1 sh\necho hello $A\n')
  chmodSync(script, 0o755)
  const { toc, tar, config } = await made(t, [script], { PATH: `${dir}:${process.env.PATH}` })
  assert.ok(paths(toc).includes(script.slice(1)))
  assert.deepEqual(config.Cmd, ['/bin/sh'])
  const named = await made(t, ['hello'], { PATH: `${dir}:${process.env.PATH}` })
  assert.equal(entryOf(named.toc, 'usr/bin/hello')?.link, script)
  const out = runIn(t, tar, [script])
  if (out !== undefined) assert.equal(out, 'hello 1\n')
})

test('from-host makes a system of busybox', async (t) => {
  if (!requireProgram(t, 'busybox', 'busybox-static')) return
  const { toc, tar, config } = await made(t, ['busybox'])
  assert.ok(paths(toc).some((p) => p.endsWith('bin/sh')))
  assert.deepEqual(config.Cmd, ['/bin/sh'])
  const out = runIn(t, tar, ['/bin/sh', '-c', 'echo $((1 + 1)) | cat'])
  if (out !== undefined) assert.equal(out, '2\n')
})

test('from-host takes files and folders by path', async (t) => {
  const dir = join(tempDir(t), 'data')
  mkdirSync(join(dir, 'sub'), { recursive: true })
  writeFileSync(join(dir, 'sub/file'), 'content')
  symlinkSync('nowhere', join(dir, 'broken'))
  runProgram('mkfifo', [join(dir, 'fifo')])
  const { toc } = await made(t, ['sh', dir])
  assert.equal(entryOf(toc, join(dir, 'sub/file').slice(1))?.size, 7)
  assert.equal(entryOf(toc, join(dir, 'broken').slice(1))?.link, 'nowhere')
  assert.equal(entryOf(toc, join(dir, 'fifo').slice(1)), undefined)
})

/** A program with a library in a folder of its own. */
function compileWithLibrary(t: TestContext, linkFlags: (dir: string) => string[]): string {
  const dir = tempDir(t)
  mkdirSync(join(dir, 'lib'))
  writeFileSync(join(dir, 'own.c'), 'int answer(void) { return 42; }')
  writeFileSync(join(dir, 'main.c'), 'int answer(void); int main(void) { return answer() == 42 ? 0 : 1; }')
  runProgram('gcc', ['-shared', '-fPIC', '-o', join(dir, 'lib/libown.so'), join(dir, 'own.c')])
  runProgram('gcc', ['-o', join(dir, 'main'), join(dir, 'main.c'), `-L${dir}/lib`, '-lown', ...linkFlags(dir)])
  return dir
}

const flags: [what: string, flags: (dir: string) => string[]][] = [
  ['RUNPATH', (dir) => [`-Wl,--enable-new-dtags,-rpath,${dir}/lib`]],
  ['RUNPATH with $ORIGIN', () => ['-Wl,--enable-new-dtags,-rpath,$ORIGIN/lib']],
  ['RPATH', (dir) => [`-Wl,--disable-new-dtags,-rpath,${dir}/lib`]],
]
for (const [what, linkFlags] of flags)
  test(`from-host finds libraries by ${what}`, async (t) => {
    if (!requireProgram(t, 'gcc')) return
    const dir = compileWithLibrary(t, linkFlags)
    const { toc, tar } = await made(t, [join(dir, 'main')])
    assert.ok(paths(toc).includes(join(dir, 'lib/libown.so').slice(1)))
    // A status other than 0 throws. The loader reads $ORIGIN from /proc, which is not mounted here.
    if (!what.includes('ORIGIN')) runIn(t, tar, [join(dir, 'main')])
  })

test('from-host says which library is missing', async (t) => {
  if (!requireProgram(t, 'gcc')) return
  const dir = compileWithLibrary(t, () => [])
  const { images } = withImages(t)
  await assert.rejects(images.fromHost('x', [join(dir, 'main')]), {
    code: 'E_LIBRARY_NOT_FOUND',
    message: /libown\.so/,
  })
})

test('from-host says which program is missing', async (t) => {
  const { images, store } = withImages(t, { PATH: '/usr/bin' })
  for (const program of ['no-such-program', '/no/such', './no-such'])
    await assert.rejects(images.fromHost('x', [program]), { code: 'E_PROGRAM_NOT_FOUND' }, program)
  await assert.rejects(images.fromHost('Bad', ['sh']), { code: 'E_REFERENCE_INVALID' })
  assert.deepEqual(store.images.list(), [])
})

test('readElf() knows what readelf knows', (t) => {
  if (!requireProgram(t, 'readelf', 'binutils')) return
  const program = process.execPath
  const bytes = readFileSync(program)
  const elf = readElf(reader(bytes), program)
  const out = runProgram('readelf', ['-d', '-l', program])
  assert.deepEqual(
    elf?.needed,
    [...out.matchAll(/\(NEEDED\).*\[(.*)\]/g)].map((m) => m[1]),
  )
  assert.equal(elf?.interpreter, /interpreter: (.*)\]/.exec(out)?.[1])
})

/** Reads from memory as from a file. */
function reader(bytes: Buffer) {
  return (b: Uint8Array, at: number) => bytes.subarray(at, at + b.length).copy(b)
}

const damaged: [what: string, change: (b: Buffer) => void][] = [
  ['a header table past the end', (b) => b.writeBigUInt64LE(1n << 40n, 32)],
  ['tiny header entries', (b) => b.writeUInt16LE(8, 54)],
  ['a huge dynamic section', (b) => b.writeUInt16LE(0xffff, 56)],
]
for (const [what, change] of damaged)
  test(`readElf() refuses ${what}`, () => {
    const bytes = Buffer.from(readFileSync('/proc/self/exe').subarray(0, 4096))
    change(bytes)
    assert.throws(() => readElf(reader(bytes), 'x'), { code: 'E_ELF_INVALID' })
  })

test('readElf() tells 32 bits and no ELF at all', () => {
  const read = (bytes: Buffer) => readElf(reader(bytes), 'x')
  assert.throws(() => read(Buffer.from([0x7f, 0x45, 0x4c, 0x46, 1, 1])), { code: 'E_ELF_UNSUPPORTED' })
  assert.equal(read(Buffer.from('#!/bin/sh\n')), undefined)
  assert.equal(read(Buffer.alloc(0)), undefined)
})

test('parseCache() knows what ldconfig -p knows', (t) => {
  if (!existsSync('/etc/ld.so.cache') || !requireProgram(t, 'ldconfig', 'libc-bin')) return
  const cache = parseCache(readFileSync('/etc/ld.so.cache'))!
  const listed = [...runProgram('ldconfig', ['-p']).matchAll(/^\t(\S+) \(.*=> (\S+)$/gm)]
  assert.ok(listed.length > 5)
  for (const [, name, path] of listed)
    if (!path!.includes('/glibc-hwcaps/')) assert.ok(cache.get(name!)?.includes(path!), `${name} ${path}`)
  assert.equal(parseCache(Buffer.from('junk')), undefined)
  assert.equal(parseCache(readFileSync('/etc/ld.so.cache').subarray(0, 200)), undefined)
})

test('confDirs() follows includes', (t) => {
  const dir = tempDir(t)
  mkdirSync(join(dir, 'ld.so.conf.d'))
  writeFileSync(join(dir, 'ld.so.conf'), 'include ld.so.conf.d/*.conf\n/last # comment\n')
  writeFileSync(join(dir, 'ld.so.conf.d/b.conf'), '/b\n')
  writeFileSync(join(dir, 'ld.so.conf.d/a.conf'), '# nothing\n/a\n')
  cpSync(join(dir, 'ld.so.conf.d/a.conf'), join(dir, 'ld.so.conf.d/a.txt'))
  assert.deepEqual(confDirs(join(dir, 'ld.so.conf')), ['/a', '/b', '/last'])
  assert.deepEqual(confDirs(join(dir, 'none')), [])
})
