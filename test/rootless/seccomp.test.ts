import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { TsboxError } from '../../src/base/error.js'
import { ALL_CAPABILITIES, CAPABILITIES, DEFAULT_CAPABILITIES } from '../../src/rootless/capability.js'
import { compileSeccomp } from '../../src/rootless/seccomp/compile.js'
import { defaultProfile } from '../../src/rootless/seccomp/default-profile.js'
import { DEFAULT_PROGRAMS } from '../../src/rootless/seccomp/default-program.js'
import { readDockerProfile } from '../../src/rootless/seccomp/docker-json.js'
import { MACHINES, type SeccompMachine } from '../../src/rootless/seccomp/machine.js'
import { ACTION } from '../../src/rootless/seccomp/profile.js'
import { type SyscallAbi, syscallNumbers, X32_BIT } from '../../src/rootless/seccomp/syscall-numbers.js'
import { runFilter } from '../helpers/bpf.js'

const REPO = process.env.TSBOX_REPO ?? process.cwd()
const ARCH = { x86_64: 0xc000003e, x32: 0xc000003e, i386: 0x40000003, aarch64: 0xc00000b7, arm: 0x40000028 }
const EPERM = ACTION.errno(1)
const ENOSYS = ACTION.errno(38)

/** What Docker's profile answers, by number: A allow, E EPERM, N ENOSYS, c it depends on arguments. */
interface Expected {
  machine: SeccompMachine
  verdicts: string
  /** ARM's own calls. */
  private: Record<string, string>
  /** Numbers that a capability allows. */
  with: Record<string, number[]>
}
const EXPECTED: Record<SyscallAbi, Expected> = JSON.parse(
  readFileSync(join(REPO, 'fixtures/seccomp-default.json'), 'utf8'),
)
const ABIS = Object.keys(EXPECTED) as SyscallAbi[]

const nameOf = (abi: SyscallAbi, number: number) => {
  const offset = abi === 'x32' ? X32_BIT : 0
  return [...syscallNumbers(abi)].find(([, n]) => n === number + offset)?.[0] ?? 'no call'
}
const verdict = (action: number) => ({ [ACTION.allow]: 'A', [EPERM]: 'E', [ENOSYS]: 'N' })[action] ?? `${action}`

/** What a program answers for every number, up to far beyond the last. */
function answers(abi: SyscallAbi, program: Uint8Array): Map<number, string> {
  const offset = abi === 'x32' ? X32_BIT : 0
  const out = new Map<number, string>()
  const far = [4095, 65535, 0xf0000 - 1, ...[0, 1, 2, 3, 4, 5, 6, 7].map((n) => 0xf0000 + n), 0x3fffffff]
  for (const number of [...Array(1024).keys(), ...far])
    out.set(number, verdict(runFilter(program, { arch: ARCH[abi], number: number + offset })))
  return out
}

for (const abi of ABIS) {
  const { machine, verdicts, private: own, with: allowing } = EXPECTED[abi]

  for (const cap of ['', ...Object.keys(allowing)])
    test(`${abi}: every call is answered as Docker does, with ${cap ? `only ${cap}` : 'no capability'}`, () => {
      const program = compileSeccomp(defaultProfile(machine, cap ? [CAPABILITIES.indexOf(cap)] : []))
      for (const [number, found] of answers(abi, program)) {
        const known = verdicts[number] ?? own[number] ?? 'N'
        if (known === 'c' && !allowing[cap]?.includes(number)) continue
        const expected = allowing[cap]?.includes(number) ? 'A' : known
        assert.equal(found, expected, `${number}: ${nameOf(abi, number)}`)
      }
    })

  test(`${abi}: arguments decide about sockets, personalities and clones`, () => {
    const program = compileSeccomp(defaultProfile(machine, DEFAULT_CAPABILITIES))
    const ask = (name: string, ...args: bigint[]) =>
      verdict(runFilter(program, { arch: ARCH[abi], number: syscallNumbers(abi).get(name)!, args }))
    const domains = [...Array(50).keys()].filter((domain) => ask('socket', BigInt(domain)) !== 'A')
    assert.deepEqual(domains, [38, 40])
    assert.equal(ask('socket', 0x1_0000_0026n), 'E', 'AF_ALG behind bits that the kernel does not look at')
    const personas = [0x0n, 0x8n, 0x20000n, 0x20008n, 0xffffffffn]
    for (const p of personas) assert.equal(ask('personality', p), 'A')
    for (const p of [1n, 0x40000n, 0x20009n, 0xfffffffen, 0x80000000n]) assert.equal(ask('personality', p), 'E')
    assert.equal(ask('clone', 0x11n), 'A')
    assert.equal(ask('clone', 0x3d0f00n), 'A')
    for (const bit of [0x20000n, 0x2000000n, 0x4000000n, 0x8000000n, 0x10000000n, 0x20000000n, 0x40000000n])
      assert.equal(ask('clone', bit | 0x11n), 'E')
    assert.equal(ask('clone3'), 'N')
  })
}

for (const machine of MACHINES)
  test(`${machine}: calls of a foreign machine end the process`, () => {
    const program = compileSeccomp(defaultProfile(machine, ALL_CAPABILITIES))
    assert.equal(runFilter(program, { arch: 0xdeadbeef, number: 1 }), ACTION.killProcess)
  })

test('the ready-made programs are those of the profile', () => {
  const programs = Object.fromEntries(
    MACHINES.map((m) => [m, Buffer.from(compileSeccomp(defaultProfile(m, DEFAULT_CAPABILITIES))).toString('base64')]),
  )
  if (process.env.UPDATE_GOLDEN === '1') writeProgram(programs)
  else assert.deepEqual({ ...DEFAULT_PROGRAMS }, programs, 'UPDATE_GOLDEN=1 writes them anew')
})

function writeProgram(programs: Record<string, string>): void {
  const file = join(REPO, 'src/rootless/seccomp/default-program.ts')
  const lines = MACHINES.map((m) => {
    const pieces = programs[m]!.match(/.{1,112}/g)!.map((p) => `    '${p}'`)
    return `  ${m}:\n${pieces.join(' +\n')},\n`
  })
  const text = readFileSync(file, 'utf8')
  writeFileSync(file, `${text.slice(0, text.indexOf('{\n') + 2)}${lines.join('')}} as const\n`)
}

const place = { machine: 'x64' as const, capabilities: DEFAULT_CAPABILITIES, kernel: '6.1.0-18-amd64' }
const rule = (fields: object) => ({ defaultAction: 'SCMP_ACT_ALLOW', syscalls: [fields] })
const compiled = (profile: object | string) =>
  compileSeccomp(readDockerProfile(typeof profile === 'string' ? profile : JSON.stringify(profile), 'p.json', place))
const askFor = (profile: object | string, name: string, ...args: bigint[]) =>
  runFilter(compiled(profile), { arch: ARCH.x86_64, number: syscallNumbers('x86_64').get(name)!, args })

const actions: [fields: object, action: number][] = [
  [{ action: 'SCMP_ACT_ERRNO' }, EPERM],
  [{ action: 'SCMP_ACT_ERRNO', errnoRet: 13 }, ACTION.errno(13)],
  [{ action: 'SCMP_ACT_KILL' }, ACTION.killThread],
  [{ action: 'SCMP_ACT_KILL_PROCESS' }, ACTION.killProcess],
  [{ action: 'SCMP_ACT_TRAP' }, ACTION.trap],
  [{ action: 'SCMP_ACT_LOG' }, ACTION.log],
  [{ action: 'SCMP_ACT_TRACE', errnoRet: 7 }, ACTION.trace(7)],
  [{ action: 'SCMP_ACT_ERRNO', includes: { arches: ['arm64'] } }, ACTION.allow],
  [{ action: 'SCMP_ACT_ERRNO', includes: { arches: ['amd64'] } }, EPERM],
  [{ action: 'SCMP_ACT_ERRNO', includes: { caps: ['CAP_SYS_ADMIN'] } }, ACTION.allow],
  [{ action: 'SCMP_ACT_ERRNO', excludes: { caps: ['CAP_CHOWN'] } }, ACTION.allow],
  [{ action: 'SCMP_ACT_ERRNO', excludes: { caps: ['CAP_SYS_ADMIN'] } }, EPERM],
  [{ action: 'SCMP_ACT_ERRNO', includes: { minKernel: '6.2' } }, ACTION.allow],
  [{ action: 'SCMP_ACT_ERRNO', includes: { minKernel: '5.19' } }, EPERM],
  [{ action: 'SCMP_ACT_ERRNO', excludes: { minKernel: '6.1' } }, ACTION.allow],
]
for (const [fields, action] of actions)
  test(`a profile's rule ${JSON.stringify(fields)} counts as Docker has it`, () => {
    assert.equal(askFor(rule({ names: ['mkdir', 'no_such_call'], ...fields }), 'mkdir'), action)
    assert.equal(askFor(rule({ names: ['mkdir'], ...fields }), 'rmdir'), ACTION.allow)
  })

const big = 0x1234_5678_9abc_def0n
const comparisons: [op: string, value: bigint, valueTwo: bigint, hits: bigint[], misses: bigint[]][] = [
  ['SCMP_CMP_EQ', big, 0n, [big], [0x9abc_def0n, big + 1n, big + (1n << 32n)]],
  ['SCMP_CMP_NE', big, 0n, [0x9abc_def0n, big + 1n, big + (1n << 32n)], [big]],
  ['SCMP_CMP_LT', big, 0n, [0n, big - 1n, big - (1n << 32n)], [big, big + 1n, big + (1n << 32n)]],
  ['SCMP_CMP_LE', big, 0n, [0n, big, big - 1n, big - (1n << 32n)], [big + 1n, big + (1n << 32n)]],
  ['SCMP_CMP_GT', big, 0n, [big + 1n, big + (1n << 32n)], [0n, big, big - 1n, big - (1n << 32n)]],
  ['SCMP_CMP_GE', big, 0n, [big, big + 1n, big + (1n << 32n)], [0n, big - 1n, big - (1n << 32n)]],
  ['SCMP_CMP_MASKED_EQ', 0xff00_0000_00ffn, 0x1200_0000_0034n, [0x12ff_ffff_ff34n], [0x13ff_ffff_ff34n, 0x34n]],
]
for (const [op, value, valueTwo, hits, misses] of comparisons)
  test(`${op} compares all 64 bits, with numbers beyond what JSON keeps`, () => {
    const arg = `{"index": 3, "value": ${value}, "valueTwo": ${valueTwo}, "op": "${op}"}`
    const text = `{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["prctl"],"action":"SCMP_ACT_ERRNO","args":[${arg}]}]}`
    for (const v of hits) assert.equal(askFor(text, 'prctl', 9n, 9n, 9n, v), EPERM, `${v}`)
    for (const v of misses) assert.equal(askFor(text, 'prctl', 9n, 9n, 9n, v), ACTION.allow, `${v}`)
  })

test('tests of different arguments must all hold, two of the same are alternatives', () => {
  const eq = (index: number, value: number) => ({ index, value, op: 'SCMP_CMP_EQ' })
  const both = rule({ names: ['prctl'], action: 'SCMP_ACT_ERRNO', args: [eq(0, 1), eq(1, 2)] })
  assert.equal(askFor(both, 'prctl', 1n, 2n), EPERM)
  assert.equal(askFor(both, 'prctl', 1n, 3n), ACTION.allow)
  const either = rule({ names: ['prctl'], action: 'SCMP_ACT_ERRNO', args: [eq(0, 1), eq(0, 2)] })
  assert.equal(askFor(either, 'prctl', 2n), EPERM)
  assert.equal(askFor(either, 'prctl', 3n), ACTION.allow)
})

test('a profile that refuses by default answers unknown calls as an old kernel does', () => {
  const profile = {
    defaultAction: 'SCMP_ACT_ERRNO',
    syscalls: [{ names: ['read', 'openat2'], action: 'SCMP_ACT_ALLOW' }],
  }
  assert.equal(askFor(profile, 'write'), EPERM)
  assert.equal(askFor(profile, 'cachestat'), ENOSYS)
  assert.equal(askFor({ ...profile, defaultErrnoRet: 38 }, 'write'), ENOSYS)
})

test('ABIs are those of the profile', () => {
  const ask = (profile: object, abi: SyscallAbi) =>
    runFilter(compiled(profile), { arch: ARCH[abi], number: syscallNumbers(abi).get('getpid')! })
  const bare = rule({ names: ['mkdir'], action: 'SCMP_ACT_ERRNO' })
  assert.equal(ask(bare, 'i386'), ACTION.killProcess)
  assert.equal(ask({ ...bare, architectures: ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86'] }, 'i386'), ACTION.allow)
  const archMap = [{ architecture: 'SCMP_ARCH_X86_64', subArchitectures: ['SCMP_ARCH_X86', 'SCMP_ARCH_X32'] }]
  assert.equal(ask({ ...bare, archMap }, 'i386'), ACTION.allow)
})

const wrong: [profile: object | string, message: RegExp][] = [
  ['{', /it is no JSON: "p.json"/],
  ['[]', /it is no object: the profile of "p.json"/],
  [{}, /it is missing: defaultAction/],
  [{ defaultAction: 'ALLOW' }, /it is not known: "ALLOW": defaultAction/],
  [{ defaultAction: 'SCMP_ACT_NOTIFY' }, /no listener/],
  [{ defaultAction: 'SCMP_ACT_ERRNO', defaultErrnoRet: 9999 }, /from 0 to 4095: defaultErrnoRet/],
  [rule({ names: ['mkdir'], action: 'constructor' }), /it is not known: "constructor": syscalls\[0\]\.action/],
  [rule({ names: 'mkdir', action: 'SCMP_ACT_LOG' }), /it is no list: syscalls\[0\]\.names/],
  [rule({ names: [1], action: 'SCMP_ACT_LOG' }), /it is no text: syscalls\[0\]\.names\[0\]/],
  [rule({ names: [], action: 'SCMP_ACT_LOG', args: [{ op: 'SCMP_CMP_EQ', index: 6 }] }), /args\[0\]\.index/],
  [
    rule({ names: [], action: 'SCMP_ACT_LOG', args: [{ op: 'EQ' }] }),
    /it is not known: "EQ": syscalls\[0\]\.args\[0\]\.op/,
  ],
  [rule({ names: [], action: 'SCMP_ACT_LOG', args: [{ op: 'SCMP_CMP_EQ', value: -1 }] }), /args\[0\]\.value/],
]
for (const [profile, message] of wrong)
  test(`a profile that is wrong says where: ${message.source}`, () => {
    assert.throws(
      () => compiled(profile),
      (err) => err instanceof TsboxError && err.code === 'E_SECCOMP_PROFILE' && message.test(err.message),
    )
  })
