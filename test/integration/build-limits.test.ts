/** What a build gives its steps beside files: /dev/shm, limits, a host name; and the BUILDKIT_* build arguments. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { before, test } from 'node:test'
import { makeBase, requireBox, sharedCli, writeContext } from '../helpers/cli.js'
import { assertNothingLeft } from '../helpers/refusal.js'
import { ID_MODES } from '../helpers/userns.js'

const cli = sharedCli()
before(() => makeBase(cli, ['cut', 'df', 'hostname']))

const context = (Dockerfile: string) => writeContext(cli, { Dockerfile })
const ran = (log: string) => !/CACHED/.test(log.slice(log.indexOf('] RUN')))
const SHOW = `FROM base
RUN echo "shm $(df -k /dev/shm | tail -n 1 | tr -s ' ' | cut -d' ' -f2)" \\
 && echo "nofile $(ulimit -Sn) $(ulimit -Hn)" && echo "core $(ulimit -Sc)" && echo "host $(cat /etc/hostname)"
`

for (const { mode } of ID_MODES)
  test(`steps have the limits and the size of /dev/shm that are given (${mode})`, async (t) => {
    if (!(await requireBox(t))) return
    const given = ['--userns', mode, '--shm-size', '96m', '--ulimit', 'nofile=100:200', '--ulimit', 'core=0']
    const { log } = cli.build(context(SHOW), ['--no-cache', ...given])
    assert.match(log, /shm 98304$/m)
    assert.match(log, /nofile 100 200$/m)
    assert.match(log, /core 0$/m)
    assert.match(log, /host buildkitsandbox$/m)
    assert.match(cli.build(context(SHOW), ['--no-cache', '--userns', mode]).log, /shm 65536$/m)
  })

for (const { mode } of ID_MODES)
  test(`containers have them too (${mode})`, async (t) => {
    if (!(await requireBox(t))) return
    const script = 'df -k /dev/shm | tail -n 1 | tr -s " " | cut -d" " -f2; ulimit -Sn; ulimit -Hn; ulimit -Sc'
    const given = ['--userns', mode, '--shm-size=32m', '--ulimit', 'nofile=64', '--ulimit=core=0']
    assert.equal(cli.ok(['run', '--rm', ...given, 'base', 'sh', '-c', script]), '32768\n64\n64\n0\n')
  })

test('a limit that cannot be raised is refused with the one that holds', async (t) => {
  if (!(await requireBox(t))) return
  const most = /^Max open files +\S+ +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))![1]!
  const more = String(Number(most) + 1)
  const expected = {
    message: new RegExp(`set ulimit nofile: ${more} is more than this user may have, ${most}$`, 'm'),
    hint: new RegExp(`give at most nofile=${most}`),
  }
  const ctx = context('FROM base\nRUN true\n')
  assertNothingLeft(cli, () => cli.run(['build', '--ulimit', `nofile=${more}`, ctx]), { ...expected, code: 1 })
  assertNothingLeft(cli, () => cli.run(['run', '--rm', '--ulimit', `nofile=1:${more}`, 'base', 'true']), {
    ...expected,
    code: 125,
  })
  assert.match(cli.build(ctx, ['--ulimit', `nofile=${most}`]).log, /DONE/)
})

test('what a step may see of them is in its key, and nothing where nothing is given', async (t) => {
  if (!(await requireBox(t))) return
  const ctx = context('FROM base\nRUN ulimit -n > /n\n')
  assert.ok(ran(cli.build(ctx).log))
  assert.ok(!ran(cli.build(ctx).log))
  for (const given of [
    ['--ulimit', 'nofile=100'],
    ['--shm-size', '1g'],
    ['--build-arg', 'BUILDKIT_SANDBOX_HOSTNAME=box'],
  ]) {
    assert.ok(ran(cli.build(ctx, given).log), given.join(' '))
    assert.ok(!ran(cli.build(ctx, given).log), given.join(' '))
  }
})

test('BUILDKIT_SANDBOX_HOSTNAME is the host name of steps', async (t) => {
  if (!(await requireBox(t))) return
  const ctx = context(
    'FROM base\nRUN echo "$(cat /etc/hostname) $(cat /proc/sys/kernel/hostname)" && grep -c "box.test" /etc/hosts\n',
  )
  const { log } = cli.build(ctx, ['--build-arg', 'BUILDKIT_SANDBOX_HOSTNAME=box.test'])
  assert.match(log, / box\.test box\.test$/m)
  assertNothingLeft(cli, () => cli.run(['build', '--build-arg', `BUILDKIT_SANDBOX_HOSTNAME=${'x'.repeat(65)}`, ctx]), {
    code: 1,
    message: /build argument BUILDKIT_SANDBOX_HOSTNAME: invalid value "x{65}"/,
    hint: /at most 64 bytes/,
  })
})

test('BUILDKIT_CACHE_MOUNT_NS keeps cache mounts apart', async (t) => {
  if (!(await requireBox(t))) return
  const ctx = context('FROM base\nRUN --mount=type=cache,target=/c echo "saw $(cat /c/f)"; echo mine > /c/f\n')
  const inSpace = (...args: string[]) =>
    /saw ?(.*)$/m.exec(
      cli
        .build(ctx, ['--no-cache', ...args])
        .log.split('] RUN')[1]!
        .split('\n')
        .slice(1)
        .join('\n'),
    )![1]
  assert.equal(inSpace(), '')
  assert.equal(inSpace(), 'mine')
  assert.equal(inSpace('--build-arg', 'BUILDKIT_CACHE_MOUNT_NS=a'), '')
  assert.equal(inSpace('--build-arg', 'BUILDKIT_CACHE_MOUNT_NS=a'), 'mine')
})

test('BUILDKIT_SYNTAX takes the place of the syntax line', async (t) => {
  if (!(await requireBox(t))) return
  const foreign = context('# syntax=foo/bar:1\nFROM base\n')
  const own = ['--build-arg', 'BUILDKIT_SYNTAX=docker/dockerfile:1 more']
  assert.equal(cli.run(['build', foreign]).code, 1)
  cli.build(foreign, own)
  assert.equal(cli.run(['build', '--check', ...own, foreign]).code, 0)
  const plain = context('FROM base\n')
  assertNothingLeft(cli, () => cli.run(['build', '--build-arg', 'BUILDKIT_SYNTAX=foo/bar', plain]), {
    code: 1,
    message: /frontend "foo\/bar" is for another language/,
    hint: /BUILDKIT_SYNTAX/,
  })
})

test('BUILDKIT_MULTI_PLATFORM is refused unless it is false', async (t) => {
  if (!(await requireBox(t))) return
  const ctx = context('FROM base\n')
  cli.build(ctx, ['--build-arg', 'BUILDKIT_MULTI_PLATFORM=false'])
  for (const [value, message] of [
    ['1', /images are for one platform yet/],
    ['maybe', /invalid value "maybe"/],
  ] as const)
    assertNothingLeft(cli, () => cli.run(['build', '--build-arg', `BUILDKIT_MULTI_PLATFORM=${value}`, ctx]), {
      code: 1,
      message,
      hint: /leave it out|true or false/,
    })
})

test('BUILDKIT_DOCKERFILE_CHECK takes the place of the check line', async (t) => {
  if (!(await requireBox(t))) return
  const ctx = context('# check=skip=all\nFROM base\nENV A b\n')
  assert.doesNotMatch(cli.build(ctx).log, /LegacyKeyValueFormat/)
  const ran = cli.run(['build', '--build-arg', 'BUILDKIT_DOCKERFILE_CHECK=error=true', ctx])
  assert.equal(ran.code, 1)
  assert.match(ran.stderr, /lint violation found for rules: LegacyKeyValueFormat/)
})

test('BUILDKIT_PROGRESS chooses how the build is shown', async (t) => {
  if (!(await requireBox(t))) return
  const env = { BUILDKIT_PROGRESS: 'rawjson' }
  const { stderr } = cli.run(['build', context('FROM base\n')], { env })
  for (const line of stderr.trim().split('\n')) assert.ok(JSON.parse(line))
})
