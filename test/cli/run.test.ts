import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { TsboxError } from '../../src/base/error.js'
import { parseEnvFile } from '../../src/cli/env-file.js'
import type { RunIsolation, RunRequest } from '../../src/engine/api.js'
import { runCli } from './recorder.js'

const dir = mkdtempSync(join(tmpdir(), 'tsbox-cli-'))
after(() => rmSync(dir, { recursive: true }))
writeFileSync(join(dir, 'vars'), '# comment\nA=1\n\n  B=two words\nC\nD=\n')

const plain: Omit<RunRequest, 'signal'> = {
  image: 'i',
  command: [],
  entrypoint: undefined,
  name: undefined,
  remove: false,
  interactive: false,
  tty: false,
  env: [],
  volumes: [],
  workdir: undefined,
  user: undefined,
  network: 'host',
  hostname: undefined,
  userns: 'auto',
  detach: false,
  detachKeys: undefined,
  sigProxy: true,
  labels: {},
  stopSignal: undefined,
  stopTimeoutSeconds: undefined,
}

const noIsolation: RunIsolation = {
  capAdd: [],
  capDrop: [],
  cgroupns: undefined,
  devices: [],
  dns: [],
  dnsOptions: [],
  dnsSearch: [],
  extraHosts: [],
  groupAdd: [],
  ipc: undefined,
  mounts: [],
  oomScoreAdj: undefined,
  pid: undefined,
  privileged: false,
  readOnly: false,
  securityOpts: [],
  sysctls: [],
  tmpfs: [],
  uts: undefined,
}

const noResources = {
  blkioWeight: undefined,
  cgroupParent: undefined,
  cpus: undefined,
  cpuPeriodUs: undefined,
  cpuQuotaUs: undefined,
  cpuShares: undefined,
  cpusetCpus: undefined,
  cpusetMems: undefined,
  memoryBytes: undefined,
  memoryReservationBytes: undefined,
  memorySwapBytes: undefined,
  memorySwappiness: undefined,
  oomKillDisable: false,
  pids: undefined,
}
const requests: [argv: string[], changed: Partial<RunRequest>][] = [
  [['i'], {}],
  [['--rm', 'i', 'sh', '-c', 'x'], { remove: true, command: ['sh', '-c', 'x'] }],
  [['i', '--rm', '-it', '--help'], { command: ['--rm', '-it', '--help'] }],
  [['--', 'i', '-x'], { command: ['-x'] }],
  [['i', '--', 'x'], { command: ['--', 'x'] }],
  [['i', 'x', '007', '"q"'], { command: ['x', '007', '"q"'] }],
  [['-i', '--name', 'n', 'i'], { interactive: true, name: 'n' }],
  [['-it', 'i'], { interactive: true, tty: true }],
  [['-ti=false', 'i'], { tty: true }],
  [['-e', 'K', '-eA=B', '--env', 'C=D=E', '--env=F=', 'i'], { env: ['K', 'A=B', 'C=D=E', 'F='] }],
  [['-e', '-X=1', 'i'], { env: ['-X=1'] }],
  [['--env-file', 'vars', '-e', 'A=2', 'i'], { env: ['A=1', 'B=two words', 'C', 'D=', 'A=2'] }],
  [['-v', '/a:/b:ro', '-v/c', '--volume=n:/d', 'i'], { volumes: ['/a:/b:ro', '/c', 'n:/d'] }],
  [['-w/x', '-u', '1:2', '-h', 'box', 'i'], { workdir: '/x', user: '1:2', hostname: 'box' }],
  [['--entrypoint', '', 'i'], { entrypoint: '' }],
  [
    ['--entrypoint=/x', '--network=none', '--userns', 'single', 'i'],
    { entrypoint: '/x', network: 'none', userns: 'single' },
  ],
  [
    ['--shm-size=1g', '--ulimit', 'nproc=5:-1', 'i'],
    { shmSizeBytes: 1 << 30, ulimits: [{ name: 'nproc', soft: 5, hard: Number.POSITIVE_INFINITY }] },
  ],
  [['--cap-drop', 'ALL', '--read-only', 'i'], { isolation: { ...noIsolation, capDrop: ['ALL'], readOnly: true } }],
  [
    ['--tmpfs=/t', '--oom-score-adj=-5', '--add-host', 'a:1.2.3.4', 'i'],
    {
      isolation: { ...noIsolation, tmpfs: ['/t'], oomScoreAdj: -5, extraHosts: [{ name: 'a', address: '1.2.3.4' }] },
    },
  ],
  [['-d', 'i'], { detach: true }],
  [['-itd', 'i'], { detach: true, interactive: true, tty: true }],
  [['-l', 'a', '--label=b=c=d', 'i'], { labels: { a: '', b: 'c=d' } }],
  [['--stop-signal', 'INT', '--stop-timeout=-1', 'i'], { stopSignal: 'INT', stopTimeoutSeconds: -1 }],
  [['-d=false', '--privileged=false', '--pull=never', '--init', '--no-healthcheck', 'i'], {}],
  [['--pull', 'missing', '--userns=host', 'i'], { userns: 'host' }],
  [['--userns=keep-id', '--platform', 'linux/amd64', 'i'], { userns: 'keep-id', platform: 'linux/amd64' }],
  [['--annotation', 'a=b=c', 'i'], { annotations: { a: 'b=c' } }],
  [['--expose=80', '--expose', '81-82/udp', '--expose=80', 'i'], { exposed: ['80/tcp', '81/udp', '82/udp'] }],
  [
    ['--network=container:x', '--pid', 'container:x', 'i'],
    { network: 'none', isolation: { ...noIsolation, networkOf: 'x', pid: 'container:x' } },
  ],
  [
    ['-m', '64m', '--memory-swap=-1', '--cpus', '1.5', '-c=512', '--pids-limit', '9', '--cgroup-parent=/x', 'i'],
    {
      resources: {
        ...noResources,
        memoryBytes: 64 << 20,
        memorySwapBytes: -1,
        cpus: 1.5,
        cpuShares: 512,
        pids: 9,
        cgroupParent: '/x',
      },
    },
  ],
  [
    ['--cpuset-cpus=0-1', '--cpuset-mems=0', '--cpu-quota=5000', '--cpu-period=1000', '--blkio-weight=10', 'i'],
    {
      resources: {
        ...noResources,
        cpusetCpus: '0-1',
        cpusetMems: '0',
        cpuQuotaUs: 5000,
        cpuPeriodUs: 1000,
        blkioWeight: 10,
      },
    },
  ],
]

for (const [argv, changed] of requests) {
  test(`tsbox run ${argv.join(' ')} asks the engine for what it says`, async () => {
    const { calls, status, stderr } = await runCli(['run', ...argv], {}, { cwd: dir, terminal: { stdin: true } })
    assert.equal(stderr, '')
    assert.equal(status, 0)
    const { signal, onCreated, onWarning, pull, ...request } = calls.find((c) => c.method === 'run')!
      .args[0] as RunRequest
    assert.ok(signal instanceof AbortSignal)
    assert.equal(typeof onCreated, 'function')
    assert.equal(typeof onWarning, 'function')
    assert.equal(pull?.when, argv.includes('--pull=never') ? 'never' : 'missing')
    assert.deepEqual(request, { ...plain, ...changed })
  })
}

const refused: [argv: string[], status: number, message: RegExp][] = [
  [[], 1, /'tsbox run' requires at least 1 argument/],
  [['--nope', 'i'], 125, /unknown flag: --nope[\s\S]*Run 'tsbox run --help'/],
  [['-a', 'nowhere', 'i'], 125, /invalid argument "nowhere" for "-a, --attach" flag/],
  [['--stop-timeout', 'x', 'i'], 125, /invalid argument "x" for "--stop-timeout" flag/],
  [['-l', '=x', 'i'], 125, /invalid label format: "=x"/],
  [['-p', '80:80', 'i'], 125, /cannot honour --publish: /],
  [['--memory=x', 'i'], 125, /invalid argument "x" for "--memory" flag: invalid size: 'x'/],
  [['--cpus=2x', 'i'], 125, /invalid argument "2x" for "--cpus" flag/],
  [['--pids-limit=1.5', 'i'], 125, /invalid argument "1.5" for "--pids-limit" flag/],
  [['--cpu-rt-runtime=1', 'i'], 125, /cannot honour --cpu-rt-runtime: cgroup v2 has no/],
  [['--gpus', 'all', 'i'], 125, /cannot honour --gpus: .*--device/],
  [['--link', 'x', 'i'], 125, /cannot honour --link: .*container:NAME/],
  [['--health-cmd', 'x', 'i'], 125, /cannot honour --health-cmd/],
  [['--restart', 'always', 'i'], 125, /cannot honour --restart/],
  [['--expose', '70000', 'i'], 125, /invalid range format for --expose: 70000/],
  [['--annotation', 'x', 'i'], 125, /invalid argument "x" for "--annotation" flag/],
  [['--userns', 'nomap', 'i'], 125, /cannot honour --userns=nomap: layers are extracted with owners/],
  [['--pull', 'sometimes', 'i'], 125, /must be one of missing, always, never/],
  [['--dns', 'x', 'i'], 125, /invalid --dns "x"/],
  [['--oom-score-adj', 'x', 'i'], 125, /invalid --oom-score-adj "x"/],
  [['--add-host', 'x', 'i'], 125, /expected HOST:IP/],
  [['--network', 'bridge', 'i'], 125, /cannot honour --network=bridge/],
  [['-e', '=x', 'i'], 125, /invalid environment variable: "=x"/],
  [['-it', 'i'], 1, /the input device is not a TTY/],
  [['--shm-size', 'x', 'i'], 125, /invalid size: 'x'/],
  [['--ulimit', 'x=1', 'i'], 125, /invalid ulimit type: x/],
  [['--env-file', 'missing', 'i'], 125, /cannot read variables from/],
]

for (const [argv, status, message] of refused) {
  test(`tsbox run ${argv.join(' ')} exits with ${status}`, async () => {
    const outcome = await runCli(['run', ...argv], {}, { cwd: dir })
    assert.match(outcome.stderr, message)
    assert.equal(outcome.status, status)
    assert.deepEqual(outcome.calls, [])
  })
}

test('tsbox run exits as the program does', async () => {
  assert.equal((await runCli(['run', 'i'], { run: async () => ({ exitCode: 42 }) })).status, 42)
})

const failures: [thrown: unknown, status: number][] = [
  [new TsboxError('E_IMAGE_NOT_FOUND', 'find image: not in the store: "i"'), 125],
  [new TsboxError('E_NOT_FOUND', 'start program: not found: "x"', { exitCode: 127 }), 127],
  [new TsboxError('E_NOT_EXECUTABLE', 'start program: not executable: "x"', { exitCode: 126 }), 126],
  [new TypeError('oops'), 125],
]

for (const [thrown, status] of failures) {
  test(`tsbox run exits with ${status} after ${thrown}`, async () => {
    const run = async () => {
      throw thrown
    }
    assert.equal((await runCli(['run', 'i'], { run })).status, status)
  })
}

test('parseEnvFile() tells the line that is wrong', () => {
  assert.deepEqual(parseEnvFile('A=1\r\n#x\n', 'f'), ['A=1'])
  for (const text of ['A=1\n=x\n', 'A=1\nA B=1\n']) {
    assert.throws(
      () => parseEnvFile(text, 'f'),
      (err: TsboxError) => err.location?.line === 2 && err.exitCode === 125,
    )
  }
})
