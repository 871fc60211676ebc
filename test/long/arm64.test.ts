/** What can be tested of the helper for arm64 on another machine: that it is one, and its decoders. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { requireProgram, runProgram } from '../helpers/programs.js'
import { tempDir } from '../helpers/temp.js'

const REPO = process.env.TSBOX_REPO ?? process.cwd()
const NATIVE = join(REPO, 'src/rootless/native')
const FUZZ = join(REPO, 'test/fuzz')
const CROSS = 'aarch64-linux-gnu-gcc'
/** As scripts/fuzz.mjs has it. */
const LEFT_OUT = /^(agent|main|worker|probe|init|task.*|step.*|emu.*)\.c$/

/** Both are needed: the compiler brings the C library that the program is linked with. */
const hasTools = (t: Parameters<typeof requireProgram>[0]) =>
  requireProgram(t, CROSS, 'gcc-aarch64-linux-gnu libc6-dev-arm64-cross') &&
  requireProgram(t, 'qemu-aarch64-static', 'qemu-user-static')

test('the helper for arm64 is a static program that starts', (t) => {
  if (!hasTools(t)) return
  const script = `import(${JSON.stringify(join(REPO, 'scripts/build-native.mjs'))}).then((m) =>
    m.buildForPackage(['arm64'], { outdir: process.argv[1] }))`
  const dir = tempDir(t)
  runProgram(process.execPath, ['-e', script, dir])
  const helper = join(dir, 'tsbox-helper-arm64')
  const elf = readFileSync(helper)
  assert.equal(elf.toString('latin1', 0, 4), '\x7fELF')
  // EI_CLASS 64 bits, e_machine AArch64, and no program header for an interpreter. @see elf(5)
  assert.equal(elf[4], 2)
  assert.equal(elf.readUInt16LE(18), 183)
  const [offset, size, count] = [Number(elf.readBigUInt64LE(32)), elf.readUInt16LE(54), elf.readUInt16LE(56)]
  const types = Array.from({ length: count }, (_, i) => elf.readUInt32LE(offset + i * size))
  assert.ok(types.includes(1) && !types.includes(3), types.join())
  const run = spawnSync('qemu-aarch64-static', [helper], { encoding: 'utf8' })
  assert.deepEqual([run.status, run.stderr], [2, 'tsbox-helper: started by tsbox, not by hand\n'])
})

test('on arm64 everything is decoded that tsbox encodes', (t) => {
  if (!hasTools(t)) return
  const dir = tempDir(t)
  const objects = join(dir, 'objects')
  mkdirSync(objects)
  const helper = readdirSync(NATIVE).filter((n) => n.endsWith('.c') && !LEFT_OUT.test(n))
  const flags = ['-std=gnu11', '-w', '-I', NATIVE]
  const sources = helper.map((n) => join(NATIVE, n))
  runProgram(CROSS, [...flags, '-include', join(FUZZ, 'calls.h'), '-c', ...sources], { cwd: objects })
  const own = readdirSync(FUZZ).filter((n) => n.endsWith('.c'))
  const linked = [...own.map((n) => join(FUZZ, n)), ...readdirSync(objects).map((n) => join(objects, n))]
  runProgram(CROSS, [...flags, '-static', ...linked, '-o', join(dir, 'replay')])
  const script = `import(${JSON.stringify(join(REPO, 'scripts/fuzz.mjs'))}).then((m) =>
    m.writeSeeds(process.argv[1] + '/seeds', process.argv[1]))`
  runProgram(process.execPath, ['-e', script, dir])
  const inputs = [join(dir, 'seeds'), join(FUZZ, 'found')].flatMap((d) => readdirSync(d).map((n) => join(d, n)))
  const said = runProgram('qemu-aarch64-static', [join(dir, 'replay'), ...inputs])
  assert.equal(said, `${inputs.length} inputs\n`)
  assert.ok(inputs.length > 150)
})
