/** Containers that attack process 1 of theirs, which has every capability, and what it has open. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { before } from 'node:test'
import { attack, attackInModes, makeCanary, makeEvil } from '../helpers/attack.js'
import { HAS_SUBIDS, makeBase, sharedCli, startProgram, TSBOX, writeContext } from '../helpers/cli.js'
import { compileNative } from '../helpers/native.js'

const cli = sharedCli()
before(() => makeBase(cli, ['setpriv', 'setfattr']))

/** Far enough up from any folder of the store. */
const UP = '../'.repeat(12)
const FDS = Array.from({ length: 16 }, (_, i) => i)

const ways: [what: string, args: string[]][] = [
  ['a plain container', []],
  ['all capabilities', ['--cap-add', 'ALL']],
  ['--privileged', ['--privileged']],
]
for (const [what, args] of ways)
  attackInModes('process 1', `what it has open leads nowhere, with ${what}`, (_, mode) => {
    const { dir, assertUntouched } = makeCanary(cli)
    const lines = FDS.flatMap((fd) => [
      `P=/proc/1/fd/${fd}/${UP}${dir}`,
      'cat $P/secret; echo > $P/new; echo > $P/file; rm -f $P/null; mkdir $P/sub/d; mknod $P/node c 1 3; chown 7:7 $P/hosts',
      // What the supervisor of ids does for a user of the container, it does with its own power.
      'setpriv --reuid 9 --clear-groups sh -c "mkdir $P/d; echo > $P/made; ln -s x $P/link; mkfifo $P/fifo"',
      `rm -f /L; ln -s $P/through /L; setpriv --reuid 9 --clear-groups sh -c 'echo > /L'; chown -h 7:7 /L; chown 7:7 /L`,
      `chown 7:7 /proc/1/fd/${fd} /proc/1/cwd/${UP}${dir}/file /proc/1/root/${dir}/file`,
    ])
    const script = `${lines.join('\n')}\ntrue`
    const ran = cli.run(['run', '--rm', '--userns', mode, ...args, 'base', 'sh', '-c', script])
    assert.equal(ran.code, 0)
    assertUntouched(ran)
  })

attack('process 1', 'it makes nothing for a user who could not come there', () => {
  // The descriptor of the layer, by whatever number: only process 1 itself may go through it.
  const lines = FDS.map(
    (fd) => `setpriv --reuid 9 --clear-groups sh -c 'cd /; mkdir /proc/1/fd/${fd}/made; chown 9 /proc/1/fd/${fd}'`,
  )
  const script = `${lines.join('\n')}\nls -d /made /proc/1/cwd/made; ls -ldn /`
  const { stdout } = cli.run(['run', '--rm', '--userns', 'single', 'base', 'sh', '-c', script])
  assert.match(stdout, /^d\S+ +\d+ 0 0 /)
})

attackInModes('process 1', 'it is neither traced nor read, and signals do not end it', async (t, mode) => {
  const evil = makeEvil(t, cli, mode)
  if (!evil) return
  const reached = cli.run(['run', '--rm', '--userns', mode, evil, '/attack', 'reach', '1'])
  assert.equal(reached.code, 0, reached.stderr)
  const done = reached.stdout.split('\n').filter((line) => line.endsWith(' done'))
  assert.deepEqual(done, [], 'nothing of it was reached')
  assert.equal(cli.ok(['run', '--rm', '--userns', mode, evil, '/attack', 'signals']), 'alive\n')
})

attackInModes('CVE-2024-21626', 'a working directory of exec leads nowhere', (_, mode) => {
  const { dir, assertUntouched } = makeCanary(cli)
  const name = `wd-${mode}`
  cli.ok(['run', '-d', '--name', name, '--userns', mode, 'base', 'sleep', '120'])
  try {
    for (const fd of FDS.slice(3, 12))
      for (const at of [`/proc/1/fd/${fd}`, `/proc/self/fd/${fd}`, `/proc/1/fd/${fd}/${UP}${dir}`]) {
        const script = `cat secret ${UP}${dir}/secret; echo > new; echo > ${UP}${dir}/new`
        const ran = cli.run(['exec', '-w', at, name, 'sh', '-c', script])
        assert.equal(ran.code, 126, `${at}: ${ran.stderr}`)
        assertUntouched(ran)
      }
    assertUntouched(cli.run(['exec', name, `/proc/1/fd/3/${UP}${dir}/file`]))
  } finally {
    cli.ok(['rm', '-f', name])
  }
})

attack('CVE-2024-21626', 'nor where a profile refuses the call that would see it', () => {
  const { dir, assertUntouched } = makeCanary(cli)
  const syscalls = [{ names: ['openat2'], action: 'SCMP_ACT_ERRNO', errnoRet: 38 }]
  const profile = join(
    writeContext(cli, { 'p.json': JSON.stringify({ defaultAction: 'SCMP_ACT_ALLOW', syscalls }) }),
    'p.json',
  )
  const args = ['--userns', 'single', '--security-opt', `seccomp=${profile}`]
  cli.ok(['run', '-d', '--name', 'wd-old', ...args, 'base', 'sleep', '120'])
  try {
    for (const fd of FDS.slice(3, 12)) {
      const ran = cli.run(['exec', '-w', `/proc/1/fd/${fd}`, 'wd-old', 'sh', '-c', `cat ${UP}${dir}/secret; pwd -P`])
      // The container's own root has a path; the layer behind it has none.
      if (ran.code === 0) assert.match(ran.stdout, /^\/(proc)?\n$/)
      assertUntouched(ran)
    }
  } finally {
    cli.ok(['rm', '-f', 'wd-old'])
  }
})

attackInModes('descriptors', 'a program has 0, 1 and 2 open, nothing else', async (t, mode) => {
  const evil = makeEvil(t, cli, mode)
  if (!evil) return
  for (const args of [[], ['--privileged'], ['-t']])
    assert.match(
      cli.ok(['run', '--rm', '--userns', mode, ...args, evil, '/attack', 'descriptors']),
      /^end\r?\n$/,
      args.join(' '),
    )
  const name = `fds-${mode}`
  cli.ok(['run', '-d', '--name', name, '--userns', mode, evil, 'sleep', '120'])
  assert.equal(cli.ok(['exec', name, '/attack', 'descriptors']), 'end\n')
  cli.ok(['rm', '-f', name])
})

attack('descriptors', 'process 1 holds nothing of the terminal or the files that tsbox was started with', async (t) => {
  for (const mode of HAS_SUBIDS ? ['subid', 'single'] : ['single']) {
    if (!makeEvil(t, cli, mode)) return
    const script = 'for f in 0 1 2; do readlink /proc/1/fd/$f; done; ls /proc/1/fd | wc -l'
    const seen = cli.ok(['run', '--rm', '--privileged', '--userns', mode, 'base', 'sh', '-c', script])
    assert.match(seen, /^\/dev\/null\n\/dev\/null\n\/dev\/null\n\d+\n$/)
  }
})

attackInModes('session keyring', 'keys of the caller are not found, even without a filter', async (t, mode) => {
  const evil = makeEvil(t, cli, mode)
  if (!evil) return
  const program = `${cli.dir}/attack`
  if (!compileNative(t, program, ['test/attack.c'], ['-O1', '-static'])) return
  for (const args of [[], ['--privileged'], ['--security-opt', 'seccomp=unconfined']]) {
    const command = [TSBOX, 'run', '--rm', '--userns', mode, ...args, evil, '/attack', 'keys']
    const ran = await startProgram(program, ['with-key', ...command], { env: cli.env, cwd: cli.dir }).ended
    if (ran.code === 99) return void t.diagnostic(`no keys here: ${ran.stderr}`)
    assert.match(ran.stdout, /^key (Operation not permitted|Required key not available|Function not implemented)\n$/)
  }
})
