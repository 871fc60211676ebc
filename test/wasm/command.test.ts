import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TsboxError } from '../../src/base/error.js'
import type { CommandMount } from '../../src/wasm/mounts.js'
import { memoryLower } from '../../src/wasm/vfs/lower.js'
import { compileWat, E, Guest, O } from './guest.js'
import { dirAt, fileAt, linkAt, runGuest, runWasm } from './run.js'

function refused(code: string, message: RegExp, hint?: RegExp) {
  return (err: unknown) => {
    const e = err as TsboxError
    assert.equal(e.code, code)
    assert.match(e.message, message)
    if (hint) assert.match(e.hint ?? '', hint)
    return true
  }
}

const unmet: [what: string, imports: string, named: RegExp, hint: RegExp][] = [
  ['threads', '(import "wasi" "thread-spawn" (func (param i32) (result i32)))', /"wasi\.thread-spawn"/, /threads/],
  ['shared memory', '(import "env" "memory" (memory 1 2 shared))', /"env\.memory"/, /threads/],
  ['Go for browsers', '(import "gojs" "runtime.wasmExit" (func (param i32)))', /"gojs\.runtime/, /GOOS=wasip1/],
  ['wasm-bindgen', '(import "wbg" "__wbindgen_throw" (func))', /wbg/, /wasm-bindgen/],
  ['Emscripten', '(import "env" "emscripten_memcpy_js" (func))', /emscripten_memcpy_js/, /Emscripten/],
  ['a component’s core', '(import "wasi:cli/exit@0.2.0" "exit" (func))', /wasi:cli/, /component/],
  ['the draft of WASI', '(import "wasi_unstable" "fd_write" (func))', /wasi_unstable/, /first draft/],
  ['WASIX', '(import "wasix_32v1" "proc_fork" (func))', /wasix_32v1/, /WASIX/],
  ['something of its own', '(import "host" "log" (func))', /"host\.log"/, /wasm32-wasip1/],
]
for (const [what, imports, named, hint] of unmet)
  test(`a module that needs ${what} is refused before it starts`, async () => {
    const memory = /"memory"/.test(imports) ? '(export "memory" (memory 0))' : '(memory (export "memory") 1)'
    const wasm = await compileWat(`(module ${imports} ${memory} (func (export "_start") unreachable))`)
    assert.throws(() => runWasm(wasm), refused('E_WASM_IMPORTS', named, hint))
  })

test('many unmet imports are counted, not listed', async () => {
  const imports = Array.from({ length: 8 }, (_, i) => `(import "env" "f${i}" (func))`).join('')
  const wasm = await compileWat(`(module ${imports} (memory (export "memory") 1) (func (export "_start")))`)
  assert.throws(() => runWasm(wasm), refused('E_WASM_IMPORTS', /"env\.f4", and 3 more$/))
})

const component = Uint8Array.of(0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0)
const bad: [what: string, bytes: () => Promise<Uint8Array> | Uint8Array, code: string, message: RegExp][] = [
  ['a component', () => component, 'E_WASM_COMPONENT', /is a WebAssembly component.*"\/main\.wasm"/],
  ['a module of a future version', () => Uint8Array.of(0, 0x61, 0x73, 0x6d, 2, 0, 0, 0), 'E_WASM_INVALID', /version/],
  [
    'a truncated module',
    async () => (await new Guest().call('sched_yield').wasm()).slice(0, -3),
    'E_WASM_INVALID',
    /valid/,
  ],
  ['a library', () => compileWat('(module (memory (export "memory") 1))'), 'E_WASM_NOT_COMMAND', /_start/],
  [
    'a module that wants more memory than there is',
    () => compileWat('(module (memory (export "memory") 1000) (func (export "_start")))'),
    'E_WASM_MEMORY',
    /more memory than 16777216 bytes/,
  ],
]
for (const [what, bytes, code, message] of bad)
  test(`${what} is refused`, async () => {
    const wasm = await bytes()
    assert.throws(() => runWasm(wasm), refused(code, message))
  })

for (const declared of ['1', '1 60000'])
  test(`memory grows to the cap and not beyond it (declared ${declared})`, async () => {
    const wasm = await compileWat(`(module
      (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
      (memory (export "memory") ${declared})
      (data (i32.const 8) "kept")
      (func (export "_start")
        (if (i32.ne (i32.load (i32.const 8)) (i32.const 0x7470656b)) (then (call $exit (i32.const 1))))
        (if (i32.eq (memory.grow (i32.const 255)) (i32.const -1)) (then (call $exit (i32.const 2))))
        (if (i32.ne (memory.grow (i32.const 1)) (i32.const -1)) (then (call $exit (i32.const 3))))))`)
    assert.equal(runWasm(wasm).exitCode, 0)
  })

test('endless recursion is a trap of the guest', async () => {
  const wasm = await compileWat('(module (memory (export "memory") 1) (func $f (export "_start") (call $f) (call $f)))')
  const ran = runWasm(wasm)
  assert.equal(ran.exitCode, 134)
  assert.match(ran.stderr, /trap: .*call stack/i)
})

const programs: [args0: string, env: string[], cwd: string][] = [
  ['/opt/bin/tool.wasm', [], '/'],
  ['tool', ['PATH=/nowhere:/opt/bin'], '/'],
  ['tool', ['PATH=/nowhere:bin'], '/opt'],
  ['./bin/tool', [], '/opt'],
  ['../opt/bin/tool', [], '/etc'],
]
for (const [name, env, cwd] of programs)
  test(`finds the program ${name} from ${cwd}`, async () => {
    const wasm = await new Guest().call('sched_yield').wasm()
    const root = [
      dirAt('opt'),
      dirAt('opt/bin'),
      dirAt('etc'),
      fileAt('opt/bin/tool.wasm', wasm),
      linkAt('opt/bin/tool', '/opt/bin/tool.wasm'),
    ]
    assert.equal(runWasm(Uint8Array.of(), root, { args: [name], env, cwd }).exitCode, 0)
  })

test('a program that is not there has exit code 127', () => {
  assert.throws(
    () => runWasm(Uint8Array.of(), [], { args: ['nothing'] }),
    (err) => refused('E_PROGRAM_NOT_FOUND', /"nothing"/)(err) && (err as TsboxError).exitCode === 127,
  )
})

const accounts = [
  dirAt('etc'),
  fileAt('etc/passwd', 'root:x:0:0::/root:/bin/sh\nweb:x:33:34::/srv/web:/bin/sh\n'),
  fileAt('etc/group', 'root:x:0:\nstaff:x:50:\n'),
]
const users: [user: string, owner: string, home: string][] = [
  ['', '0:0', '/root'],
  ['web', '33:34', '/srv/web'],
  ['33', '33:34', '/srv/web'],
  ['web:staff', '33:50', '/srv/web'],
  ['1000:7', '1000:7', '/'],
  ['1000', '1000:0', '/'],
]
for (const [user, owner, home] of users)
  test(`user ${JSON.stringify(user)} makes files of ${owner}`, async () => {
    const ran = await runGuest(
      (g) => {
        const at = g.buffer(64)
        g.writeFile('f', '').call('environ_get', g.buffer(16), at).print(at, 14)
      },
      accounts,
      { user },
    )
    const file = ran.changes.find((e) => e.path === 'f')!
    assert.equal(`${file.uid}:${file.gid}`, owner)
    assert.equal(ran.stdout.split('\0')[0], `HOME=${home}`)
  })
for (const user of ['nobody', 'web:nogroup'])
  test(`user ${user} is refused where the root does not know it`, async () => {
    await assert.rejects(
      runGuest(() => {}, accounts, { user }),
      refused('E_USER_NOT_FOUND', /not in the root's \/etc\//),
    )
  })

test('mounts: tmpfs, secret and bind show, and never enter the layer', async () => {
  const source = memoryLower([
    dirAt(''),
    dirAt('src'),
    fileAt('src/in', 'bound'),
    linkAt('abs', '/src/in'),
    fileAt('one', '1'),
  ])
  const mounts: CommandMount[] = [
    { type: 'tmpfs', target: '/tmp/x', sizeBytes: 128 },
    {
      type: 'secret',
      target: '/run/secrets/key',
      value: new TextEncoder().encode('s3cret'),
      mode: 0o400,
      uid: 0,
      gid: 0,
    },
    { type: 'bind', target: '/bound', source, path: '/src', readonly: true },
    { type: 'bind', target: '/file', source, path: 'one', readonly: false },
    // A link on the way to the source is the source's own.
    { type: 'bind', target: '/linked', source, path: '/abs', readonly: false },
  ]
  const ran = await runGuest(
    (g) => {
      g.cat('run/secrets/key').cat('bound/in').cat('linked').cat('file').writeFile('tmp/x/f', 'scratch').cat('tmp/x/f')
      g.writeFile('file', '2').cat('file')
      g.openFails(E.ROFS, 'bound/new', O.CREAT).openFails(E.ROFS, 'bound/in').openFails(E.ROFS, 'run/secrets/key')
      g.expect(E.ROFS, 'path_unlink_file', 3, ...g.text('bound/in'))
      g.expect(E.ROFS, 'path_filestat_set_times', 3, 1, ...g.text('bound/in'), 0n, 0n, 4)
      const big = g.open('tmp/x/big', O.CREAT)
      g.expect(E.NOSPC, 'fd_write', big, ...g.piece(g.buffer(256), 256), g.buffer(4))
    },
    [fileAt('src', 'not the source of the bind')],
    { mounts },
  )
  assert.equal(ran.exitCode, 0)
  assert.equal(ran.stdout.replaceAll('\0', ''), 's3cretboundbound1scratch2')
  assert.deepEqual(ran.names, [])
})
