/** Containers that change a volume while another one that has it is started. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, type TestContext } from 'node:test'
import { attack, attackInModes, makeCanary, makeEvil } from '../helpers/attack.js'
import { makeBase, type Ran, sharedCli, writeContext } from '../helpers/cli.js'
import { hostPlan, ID_MODES, openBox, runIn } from '../helpers/userns.js'

const cli = sharedCli()
before(() => makeBase(cli, ['mkfifo']))

const TRIES = 8

/**
 * Starts a container that exchanges `/v/a` and `/v/b` all the time, made by a script, and tries something meanwhile.
 *
 * @param make with the volume as the working directory
 */
async function whileFlipping(
  t: TestContext,
  mode: string,
  make: string,
  tryOnce: (image: string) => Ran,
): Promise<Ran[]> {
  const image = makeEvil(t, cli, mode)
  if (!image) return []
  const volume = `flip-${mode}`
  const args = ['--userns', mode, '-v', `${volume}:/v`]
  cli.ok(['run', '--rm', ...args, image, 'sh', '-c', `cd /v && rm -rf a b stop && ${make}`])
  const id = cli.ok(['run', '-d', ...args, image, '/attack', 'flip', '/v/a', '/v/b', '/v/stop']).trim()
  try {
    return Array.from({ length: TRIES }, () => tryOnce(image))
  } finally {
    cli.ok(['rm', '-f', id])
  }
}

for (const id of ['CVE-2021-30465', 'CVE-2024-45310'])
  attackInModes(id, 'a mount point that turns into a link while it is mounted on stays inside', async (t, mode) => {
    const { dir, assertUntouched } = makeCanary(cli)
    const file = join(writeContext(cli, { f: 'mine' }), 'f')
    const up = '../'.repeat(14)
    const links = id === 'CVE-2021-30465' ? dir : `${up}${dir}`
    const ran = await whileFlipping(t, mode, `mkdir a && ln -s ${links} b`, (image) =>
      cli.run([
        ...['run', '--rm', '--userns', mode, '-v', `flip-${mode}:/v`, '-v', `${file}:/v/a/new/file`],
        ...['--tmpfs', '/v/a/sub', '--tmpfs', '/v/a/made/deep', '-v', `${file}:/v/a/secret`, '-w', '/v/a/w/x'],
        ...[image, 'sh', '-c', 'cat /v/a/secret /v/b/secret; echo > /v/a/x'],
      ]),
    )
    assertUntouched(...ran)
  })

attackInModes('CVE-2021-30465', 'a mount point behind a link of the image is one of the image', (_, mode) => {
  const { dir, assertUntouched } = makeCanary(cli)
  const name = `behind-${mode}`
  cli.build(writeContext(cli, { Dockerfile: `FROM base\nRUN ln -s ${dir} /t\n` }), ['-t', name, '--userns', mode])
  const ran = cli.run(['run', '--rm', '--userns', mode, '--tmpfs', '/t/sub', name, 'grep', ' tmpfs ', '/proc/mounts'])
  assert.ok(ran.stdout.includes(`tmpfs ${dir}/sub tmpfs`), ran.stdout + ran.stderr)
  assertUntouched(ran)
})

attackInModes('CVE-2019-19921', 'an image whose /proc is a link into a volume has no container', (_, mode) => {
  const { dir, assertUntouched } = makeCanary(cli)
  for (const [place, target] of [
    ['proc', '/v/proc'],
    ['sys', 'v/sys'],
    ['proc', dir],
  ]) {
    const Dockerfile = `FROM base
RUN mkdir /r /r/v /r/v/proc /r/v/sys && cp -a /bin /usr /lib* /etc /r/ && ln -s ${target} /r/${place}
FROM scratch
COPY --from=0 /r /
`
    cli.build(writeContext(cli, { Dockerfile }), ['-t', 'linked', '--userns', mode])
    const ran = cli.run(['run', '--rm', '--userns', mode, '-v', `p-${mode}:/v`, 'linked', 'sh', '-c', 'echo up'])
    assert.match(ran.stderr, new RegExp(`mount point "/${place}": E(LOOP|NOTDIR)`))
    assert.equal(ran.code, 125)
    assertUntouched(ran)
  }
  assert.deepEqual(cli.leftovers(), [])
})

attackInModes('CVE-2019-16884', 'nothing covers /proc or a part of it', (_, mode) => {
  const Dockerfile = 'FROM base\nRUN ln -s /proc/sys /settings\nVOLUME /proc\n'
  cli.build(writeContext(cli, { Dockerfile }), ['-t', `covered-${mode}`, '--userns', mode])
  const run = (...args: string[]) => cli.run(['run', '--rm', '--userns', mode, ...args, 'true'])
  for (const args of [
    [`covered-${mode}`],
    ['-v', 'x:/proc', 'base'],
    ['-v', 'x:/proc/sys', 'base'],
    ['-v', '/etc/hostname:/proc/version', 'base'],
    ['--tmpfs', '/proc/self/attr', 'base'],
    ['--mount', 'type=image,source=base,target=/proc/fs', 'base'],
  ]) {
    const ran = run(...args)
    assert.match(ran.stderr, /mount point "\/proc.*": EPERM/, args.join(' '))
    assert.equal(ran.code, 125)
  }
  const built = cli.run([
    ...['build', '--userns', mode],
    writeContext(cli, { Dockerfile: 'FROM base\nRUN --mount=type=tmpfs,target=/proc/sys true\n' }),
  ])
  assert.match(built.stderr, /mount point "\/proc\/sys": EPERM/)
  assert.equal(run('-v', '/etc/hostname:/proc/uptime', 'base').code, 0, 'what lxcfs gives may be there')
})

attackInModes('CVE-2025-31133', '/dev/null and what is hidden are never what the image made of them', (_, mode) => {
  const { dir, assertUntouched } = makeCanary(cli)
  const file = join(dir, 'file')
  const Dockerfile = `FROM base
RUN mkdir /r && cp -a /bin /usr /lib* /etc /r/ && mkdir /r/dev /r/dev/pts && cd /r/dev && ln -s ${file} null && ln -s ${file} console && ln -s /proc/sysrq-trigger ptmx && mkfifo pts/ptmx && mkdir /r/h && ln -s ${dir} /r/h/l
FROM scratch
COPY --from=0 /r /
`
  cli.build(writeContext(cli, { Dockerfile }), ['-t', `devs-${mode}`, '--userns', mode])
  const script = `echo written > /dev/null; echo written > /dev/console; stat -c '%F %t %T' /dev/null; ls -A /proc/scsi /proc/acpi 2>&1 | grep -v :; wc -c < /proc/kcore 2>/dev/null; cat /h/l/secret`
  for (const args of [[], ['-t'], ['--security-opt', 'mask=/h/l:/h/l/secret']])
    assertUntouched(cli.run(['run', '--rm', '--userns', mode, ...args, `devs-${mode}`, 'sh', '-c', script]))
  const seen = cli.run(['run', '--rm', '--userns', mode, `devs-${mode}`, 'sh', '-c', script])
  assert.match(seen.stdout, /^character special file 1 3$/m)
  const look = `for f in /proc/keys /proc/timer_list /proc/kcore; do test ! -e $f || stat -c '%F %t %T' $f; done`
  const hidden = cli.ok(['run', '--rm', '--userns', mode, 'base', 'sh', '-c', look]).trim().split('\n')
  assert.deepEqual([...new Set(hidden)], ['character special file 1 3'])
})

attackInModes('writing settings', 'of the kernel, of its devices and of cgroups is not possible', (_, mode) => {
  const script = `echo 4321 > /proc/sys/kernel/msgmax; cat /proc/sys/kernel/msgmax; grep -E ' (/proc/sys|/sys) ' /proc/mounts`
  const { stdout } = cli.run(['run', '--rm', '--userns', mode, 'base', 'sh', '-c', script])
  assert.doesNotMatch(stdout, /^4321$/m)
  assert.deepEqual(stdout.match(/ (\/sys|\/proc\/sys) \w+ ro[, ]/g)?.length, 2, stdout)
})

attackInModes('CVE-2025-52565', 'a console that a volume over /dev has is not mounted on', async (t, mode) => {
  const { dir, assertUntouched } = makeCanary(cli)
  const name = `dev-${mode}`
  cli.ok([
    'run',
    '--rm',
    '--userns',
    mode,
    '-v',
    `${name}:/d`,
    'base',
    'sh',
    '-c',
    `ln -s ${dir}/file /d/console; ln -s /etc/passwd /d/null`,
  ])
  const args = ['run', '--rm', '-t', '--userns', mode, '-v', `${name}:/dev`]
  assertUntouched(cli.run([...args, 'base', 'sh', '-c', `echo x > /dev/console; cat ${dir}/secret`]))
  const ran = await whileFlipping(t, mode, `echo > a && ln -s ${dir}/file b`, (image) =>
    cli.run(['run', '--rm', '--userns', mode, '-v', `flip-${mode}:/v`, '--security-opt', 'mask=/v/a', image, 'true']),
  )
  assertUntouched(...ran)
})

attack('CVE-2025-52881', 'settings are written to /proc only, whatever a volume makes of their way', () => {
  const { dir, assertUntouched } = makeCanary(cli)
  const sysctl = ['--sysctl', 'kernel.msgmax=4321']
  assert.equal(cli.ok(['run', '--rm', ...sysctl, 'base', 'cat', '/proc/sys/kernel/msgmax']), '4321\n')
  cli.ok(['run', '--rm', '-v', 'k:/k', 'base', 'sh', '-c', `mkdir -p /k/kernel; ln -s ${dir}/file /k/kernel/msgmax`])
  const ran = cli.run(['run', '--rm', ...sysctl, '-v', 'k:/proc/sys', 'base', 'true'])
  assert.equal(ran.code, 125)
  assertUntouched(ran)
})

for (const candidate of ID_MODES)
  attack('CVE-2025-52881', `what is no setting is not written to (${candidate.mode})`, async (t) => {
    const box = await openBox(t, candidate)
    if (!box) return
    const plan = hostPlan(box)
    const ops = [...plan.ops, { op: 'write', path: '/etc/passwd', text: 'evil' } as const]
    await assert.rejects(runIn(box, { ...plan, ops }, ['true']), /write "\/etc\/passwd": EPERM/)
  })

attack('stores of others', 'nobody else can enter the store: set-user-ID files of images are not for them', () => {
  writeFileSync(join(cli.dir, 'probe'), '')
  const Dockerfile =
    'FROM base\nRUN cp /usr/bin/sh /root-shell 2>/dev/null || cp /bin/sh /root-shell; chmod 4755 /root-shell\n'
  cli.build(writeContext(cli, { Dockerfile }))
  const found = cli.ok(['run', '--rm', '-v', `${cli.root}:/s:ro`, 'base', 'stat', '-c', '%a', '/s', '/s/snapshots'])
  assert.equal(found, '700\n700\n')
})
