/** Places 4: where no container can be started. The error says who refuses it, and what still works. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { HelperError } from '../../src/rootless/error.js'
import { appArmorProfile, explainRefusal, refusalError } from '../../src/rootless/refusal.js'
import type { Surroundings } from '../../src/rootless/surroundings.js'
import {
  type Cli,
  makeBase,
  openCli,
  type Ran,
  REPO,
  requireBox,
  startProgram,
  TSBOX,
  writeContext,
} from '../helpers/cli.js'
import { requireProgram } from '../helpers/programs.js'
import { HELPER } from '../helpers/userns.js'
import { compileRefuser } from './place.js'

/** A place in which only WebAssembly runs. */
interface Refusing {
  start: (refuse: string) => readonly string[]
  /** What the error and the doctor say. */
  reason: RegExp
  mend: RegExp
}

const places: Record<string, Refusing> = {
  "docker's default seccomp profile": {
    start: (refuse) => [refuse, 'clone3=ENOSYS', 'clone:0&0x10000000=EPERM', 'unshare:0&0x10000000=EPERM', '--'],
    reason: /^the seccomp profile of this .*(container|sandbox) refuses it: EPERM$/m,
    mend: /--security-opt seccomp=unconfined .*\(Kubernetes\)|--security-opt seccomp=unconfined|seccompProfile.type: Unconfined/,
  },
  'AppArmor takes the powers when they are used': {
    start: (refuse) => [refuse, 'mount=EPERM', 'setgroups=EPERM', 'umount2=EPERM', 'pivot_root=EPERM', '--'],
    reason: /^it was made, but has no powers: .*AppArmor.*: EPERM$/m,
    mend: /sudo tee \/etc\/apparmor\.d\/tsbox-helper/,
  },
  'AppArmor takes the powers before ids are mapped': {
    start: (refuse) => [refuse, 'idmap-write=EPERM', '--'],
    reason: /^it was made, but has no powers: .*AppArmor.*: EPERM$/m,
    mend: /kernel\.apparmor_restrict_unprivileged_userns=0/,
  },
  'user.max_user_namespaces is 0': {
    start: () => [
      ...['unshare', '--user', '--map-root-user', 'sh', '-c'],
      'echo 0 >/proc/sys/user/max_user_namespaces && exec "$@"',
      'sh',
    ],
    reason: /^user\.max_user_namespaces is 0: ENOSPC$/m,
    mend: /^(hint: )?sudo sysctl -w user\.max_user_namespaces=15000$/m,
  },
}

/** The same command in the place. */
function runThere(cli: Cli, start: readonly string[], args: readonly string[]): Promise<Ran> {
  return startProgram(start[0]!, [...start.slice(1), TSBOX, ...args], { env: cli.env, cwd: cli.dir, stdio: 'pipe' })
    .ended
}

for (const [name, { start, reason, mend }] of Object.entries(places))
  test(`place: ${name}`, async (t) => {
    if (!requireProgram(t, 'unshare', 'util-linux') || !(await requireBox(t))) return
    const cli = openCli(t)
    const refuse = compileRefuser(t, cli)
    if (!refuse) return
    makeBase(cli)
    const there = (args: readonly string[]) => runThere(cli, start(refuse), args)
    const steps = writeContext(cli, { Dockerfile: 'FROM base\nRUN true\n' })
    for (const args of [
      ['build', '--progress', 'plain', '--backend', 'namespace', steps],
      ['run', '--rm', 'base', 'true'],
    ]) {
      const refused = await there(args)
      assert.equal(refused.code, args[0] === 'build' ? 1 : 125, refused.stderr)
      const said = /^ERROR: .*?make a user namespace: (.*)$/m.exec(refused.stderr)
      assert.match(said?.[1] ?? refused.stderr, reason)
      assert.match(refused.stderr, mend)
      assert.match(refused.stderr, /shell commands or WebAssembly: --backend wasi/)
    }
    const wasm = { text: readFileSync(join(REPO, 'fixtures/demo/chart/chart.wasm')) }
    const context = writeContext(cli, {
      Dockerfile: 'FROM scratch\nCOPY chart.wasm table /\nRUN ["/chart.wasm", "table", "chart.svg", "Title"]\n',
      'chart.wasm': wasm,
      table: 'month,mm\nJune,3\nJuly,5\n',
    })
    const built = await there(['build', '--progress', 'plain', '--backend', 'wasi', '-t', 'chart', context])
    assert.equal(built.code, 0, built.stderr)
    assert.match(built.stderr, /2 bars, total 8, largest 5/)
    const saved = await there(['save', '-o', join(cli.dir, 'chart.tar'), 'chart'])
    assert.equal(saved.code, 0, saved.stderr)

    // Without being told, what can go on goes on, and what can't says both.
    const shell = await there(['build', '--progress', 'plain', steps])
    assert.equal(shell.code, 0, shell.stderr)
    const native = writeContext(cli, { Dockerfile: 'FROM base\nRUN ["/bin/cat", "/etc/passwd"]\n' })
    const both = await there(['build', '--progress', 'plain', native])
    assert.equal(both.code, 1)
    assert.match(both.stderr, /no namespaces to run it in \(make a user namespace: .*"\/bin\/cat" is neither/)
    assert.match(both.stderr.replace(/^hint: for namespaces, /m, ''), mend)

    const doctor = await there(['doctor', '--format', 'json'])
    const { facts, modes } = JSON.parse(doctor.stdout)
    const fact = facts.find((f: { id: string }) => f.id === 'userns')
    assert.equal(fact.state, 'missing')
    assert.match(fact.detail, reason)
    assert.match(fact.mend, mend)
    assert.equal(modes.userns, 'none')
    assert.equal(modes.backend, 'wasi')
  })

const quiet: Surroundings = {
  seccomp: false,
  container: undefined,
  appArmorProfile: undefined,
  sysctl: () => undefined,
}
const set = (name: string, value: string): Surroundings => ({
  ...quiet,
  sysctl: (n) => (n === name ? value : undefined),
})

const cases: [what: string, stage: string, errno: string, around: Surroundings, reason: RegExp, mend: RegExp][] = [
  [
    'Debian before 11',
    'user namespace',
    'EPERM',
    set('kernel.unprivileged_userns_clone', '0'),
    /userns_clone is 0/,
    /=1$/,
  ],
  [
    'a docker container',
    'user namespace',
    'EPERM',
    { ...quiet, seccomp: true, container: 'docker' },
    /docker/,
    /seccomp=u/,
  ],
  [
    'a pod',
    'user namespace',
    'EPERM',
    { ...quiet, seccomp: true, container: 'kubernetes' },
    /kubernetes/,
    /^set the pod/,
  ],
  [
    'Ubuntu 24.04',
    'write id map',
    'EPERM',
    set('kernel.apparmor_restrict_unprivileged_userns', '1'),
    /AppArmor restricts .*_userns is 1/,
    /apparmor_parser -r/,
  ],
  [
    'a container with a profile of AppArmor',
    'mount propagation',
    'EACCES',
    { ...quiet, container: 'docker', appArmorProfile: 'docker-default' },
    /AppArmor profile "docker-default"/,
    /apparmor=unconfined/,
  ],
  ['a chroot', 'user namespace', 'EPERM', quiet, /chroot/, /outside of the chroot/],
  ['a limit', 'user namespace', 'ENOSPC', set('user.max_user_namespaces', '7'), /too many.*=7/, /=15000$/],
]
for (const [what, stage, errno, around, reason, mend] of cases)
  test(`explainRefusal() knows ${what}`, () => {
    const failure = new HelperError(stage, errno, '')
    const refusal = explainRefusal(failure, around, '/opt/tsbox/dist/tsbox-helper')
    assert.match(refusal?.reason ?? '', reason)
    assert.match(refusal?.mend ?? '', mend)
    const error = refusalError(failure, refusal!)
    assert.equal(error.code, 'E_NO_USERNS')
    assert.match(error.hint!, /--backend wasi \(docs\/wasi\.md\)$/)
  })

test('explainRefusal() has nothing to say about other failures', () => {
  assert.equal(explainRefusal(new HelperError('mount overlay', 'EPERM', ''), quiet, ''), undefined)
  assert.equal(explainRefusal(new HelperError('user namespace', 'ENOMEM', ''), quiet, ''), undefined)
})

test('the profile for AppArmor is about the helper and nothing else', () => {
  const profile = appArmorProfile(HELPER)
  assert.ok(profile.includes(`profile tsbox-helper "${HELPER}" flags=(unconfined)`))
  assert.match(profile, /^ {2}userns,$/m)
  assert.match(appArmorProfile('/a "b"/{c}'), /"\/a \\"b\\"\/\\\{c\\\}"/)
})
