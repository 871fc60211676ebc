import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { DoctorReport, ImageInspect, ImageSummary } from '../../src/engine/api.js'
import { type Answers, ID, NOW, runCli } from './recorder.js'

const dir = mkdtempSync(join(tmpdir(), 'tsbox-cli-'))
after(() => rmSync(dir, { recursive: true }))

const OTHER = `sha256:${'f'.repeat(64)}`
const rest = { labels: {}, platform: 'linux/amd64', contentBytes: 10, containers: 0 }
const images: ImageSummary[] = [
  {
    repository: 'app',
    tag: 'latest',
    id: ID,
    manifestDigest: 'sha256:aaa',
    created: '2024-05-06T07:06:00Z',
    sizeBytes: 1_234_567,
    ...rest,
  },
  { id: OTHER, manifestDigest: 'sha256:bbb', created: '2023-05-06T07:06:00Z', sizeBytes: 999, ...rest },
  { repository: 'ghcr.io/x/tool', tag: '1.2', id: ID, manifestDigest: 'sha256:aaa', sizeBytes: 1_234_567, ...rest },
]

const inspected: ImageInspect = {
  Id: ID,
  RepoTags: ['app:latest'],
  RepoDigests: [],
  Created: '2024-05-06T07:06:00Z',
  Architecture: 'amd64',
  Os: 'linux',
  Size: 10,
  Config: { Env: ['A=1'], Cmd: ['sh'], Labels: { k: 'v' } },
  RootFS: { Type: 'layers', Layers: ['sha256:l'] },
  Metadata: {},
}

const history: Answers['history'] = [
  {
    id: ID,
    sizeBytes: 0,
    created: '2024-05-06T07:07:08Z',
    created_by: 'CMD ["/bin/sh" "-c" "a command that is too long to be shown"]',
    comment: 'buildkit.dockerfile.v0',
  },
  { id: '<missing>', sizeBytes: 2_000_000, created: '2024-05-05T07:08:09Z', created_by: 'COPY\ta b' },
]

const containers: Answers['containers'] = [
  {
    id: 'c'.repeat(64),
    name: 'web',
    image: 'app',
    command: ['sh', '-c', 'sleep 100000000000'],
    created: '2024-05-06T06:00:00Z',
    status: 'exited',
    exitCode: 3,
    labels: {},
    mounts: [],
    network: 'host',
  },
]

const answers: Answers = { list: images, inspect: inspected, history, containers, load: ['a:1', ID] }

const outputs: [argv: string[], stdout: string][] = [
  [
    ['images'],
    `REPOSITORY       TAG       IMAGE ID       CREATED         SIZE
app              latest    0123456789ab   2 minutes ago   1.23MB
<none>           <none>    ffffffffffff   12 months ago   999B
ghcr.io/x/tool   1.2       0123456789ab   N/A             1.23MB
`,
  ],
  [['images', '-q'], `0123456789ab\nffffffffffff\n`],
  [['images', '-q', '--no-trunc'], `${ID}\n${OTHER}\n`],
  [['image', 'ls', '-aq'], `0123456789ab\nffffffffffff\n`],
  [['images', '-f', 'dangling=true', '--format', '{{.ID}} {{.Digest}}'], 'ffffffffffff sha256:bbb\n'],
  [['images', '-f', 'reference=app:l*', '--format', '{{.Repository}}'], 'app\n'],
  [['images', '-f', 'reference=*/*/*', '--format', '{{.Repository}}'], 'ghcr.io/x/tool\n'],
  [
    ['images', '--format', 'table {{.ID}}\\t{{upper .Repository}}'],
    `IMAGE ID       REPOSITORY
0123456789ab   APP
ffffffffffff   <NONE>
0123456789ab   GHCR.IO/X/TOOL
`,
  ],
  [['images', '--format', '{{.CreatedAt}}', '-f', 'reference=app'], '2024-05-06 07:06:00 +0000 UTC\n'],
  [
    ['images', '--digests', '-f', 'reference=app'],
    `REPOSITORY   TAG       DIGEST       IMAGE ID       CREATED         SIZE
app          latest    sha256:aaa   0123456789ab   2 minutes ago   1.23MB
`,
  ],
  [
    ['images', '--format', 'json', '-f', 'reference=app'],
    `{"Containers":"N/A","CreatedAt":"2024-05-06 07:06:00 +0000 UTC","CreatedSince":"2 minutes ago","Digest":"sha256:aaa","ID":"0123456789ab","Repository":"app","SharedSize":"N/A","Size":"1.23MB","Tag":"latest","UniqueSize":"N/A","VirtualSize":"1.23MB"}\n`,
  ],
  [
    ['history', 'app'],
    `IMAGE          CREATED              CREATED BY                                      SIZE      COMMENT
0123456789ab   About a minute ago   CMD ["/bin/sh" "-c" "a command that is too l…   0B        buildkit.dockerfile.v0
<missing>      24 hours ago         COPY a b                                        2MB       
`,
  ],
  [['history', '-q', 'app'], '0123456789ab\n<missing>\n'],
  [
    ['history', '--human=false', '--format', '{{.CreatedSince}} {{.Size}}', 'app'],
    `2024-05-06T07:07:08Z 0\n2024-05-05T07:08:09Z 2000000\n`,
  ],
  [['history', '--no-trunc', '--format', '{{.ID}}', 'app'], `${ID}\n<missing>\n`],
  [
    ['inspect', '-f', '{{.Id}} {{.Config.Env}} {{json .Config.Entrypoint}} {{.Config.Labels.k}}', 'app'],
    `${ID} [A=1] null v\n`,
  ],
  [
    [
      'image',
      'inspect',
      '--type',
      'image',
      '--format',
      '{{.Config.WorkingDir}}|{{.Author}}|{{len .Config.Volumes}}',
      'app',
    ],
    '||0\n',
  ],
  [['tag', 'a', 'b'], ''],
  [['rmi', '-f', 'a'], 'Untagged: x\nDeleted: y\n'],
  [['load', '-i', 'x.tar'], `Loaded image: a:1\nLoaded image ID: ${ID}\n`],
  [['load'], `Loaded image: a:1\nLoaded image ID: ${ID}\n`],
  [['save', 'a'], 'tar'],
  [['import', 'x.tar', 'a:1', '-c', 'CMD x'], `${ID}\n`],
  [['image', 'from-host', 'a', 'sh'], `${ID}\n`],
  [['system', 'prune', '-af'], `Deleted:\na\n\nTotal reclaimed space: 1.234kB\n`],
  [
    ['ps', '-a'],
    `CONTAINER ID   IMAGE     COMMAND                  CREATED             STATUS       PORTS     NAMES
cccccccccccc   app       "sh -c sleep 100000…"   About an hour ago   Exited (3)             web
`.replace('"sh -c sleep 100000…"   ', '"sh -c sleep 1000000…"   '),
  ],
  [['container', 'ls', '-aq'], 'cccccccccccc\n'],
  [['rm', '-f', 'a', 'b'], 'a\nb\n'],
  [['stop', 'a', 'b'], 'a\nb\n'],
  [['wait', 'a', 'b'], '6\n6\n'],
  [['create', 'i'], `${ID}\n`],
  [['container', 'prune', '-f'], 'Deleted Containers:\na\n\nTotal reclaimed space: 5B\n'],
]

for (const [argv, stdout] of outputs) {
  test(`tsbox ${argv.join(' ')} prints what docker prints`, async () => {
    const outcome = await runCli(argv, answers)
    assert.equal(outcome.stderr, '')
    assert.equal(outcome.stdout, stdout)
    assert.equal(outcome.status, 0)
  })
}

const asked: [argv: string[], method: string, args: unknown[]][] = [
  [['images', 'app:1'], 'list', ['app:1', {}]],
  [['rmi', '-f', 'a', 'b'], 'remove', [['a', 'b'], { force: true }]],
  [['image', 'rm', 'a'], 'remove', [['a'], { force: false }]],
  [['image', 'tag', 'a', 'b'], 'tag', ['a', 'b']],
  [['load', '--input=x.tar'], 'load', ['/here/x.tar']],
  [['import', 'x.tar', '-c', 'CMD x', '--change=ENV A=1'], 'import', ['/here/x.tar', undefined, ['CMD x', 'ENV A=1']]],
  [['image', 'from-host', 'a', 'sh', '/bin/ls'], 'fromHost', ['a', ['sh', '/bin/ls']]],
  [['system', 'prune', '-f'], 'prune', [{ all: false, filters: {} }]],
  [['ps'], 'containers', [{ all: false, filters: {} }]],
  [['ps', '-l'], 'containers', [{ all: true, filters: {} }]],
  [
    ['ps', '-f', 'name=a', '--filter', 'label=b=c', '-f', 'label=d'],
    'containers',
    [{ all: false, filters: { name: ['a'], label: ['b=c', 'd'] } }],
  ],
  [['stop', '-t', '3', '-s', 'INT', 'a'], 'stop', ['a', { timeoutSeconds: 3, signal: 'INT' }]],
  [['restart', '--time=-1', 'a'], 'restart', ['a', { timeoutSeconds: -1, signal: undefined }]],
  [['kill', 'a'], 'kill', ['a', 'KILL']],
  [['container', 'kill', '--signal=HUP', 'a'], 'kill', ['a', 'HUP']],
  [['start', 'a'], 'start', ['a']],
  [['rename', 'a', 'b'], 'rename', ['a', 'b']],
  [['top', 'a', '-o', 'pid'], 'top', ['a', ['-o', 'pid']]],
  [
    ['container', 'prune', '-f', '--filter', 'until=1h', '--filter', 'label!=x'],
    'pruneContainers',
    [{ until: [String(NOW - 3_600_000)], 'label!': ['x'] }],
  ],
  [['container', 'rm', 'x'], 'removeContainers', [['x'], { force: false }]],
]

for (const [argv, method, args] of asked) {
  test(`tsbox ${argv.join(' ')} asks the engine for ${method}`, async () => {
    const { calls } = await runCli(argv, answers)
    assert.deepEqual(calls.find((c) => c.method === method)?.args, args)
  })
}

test('--root names the store before the command and after it', async () => {
  const rootOf = async (argv: string[]) => (await runCli(argv)).calls[0]!.args[0]
  assert.equal(await rootOf(['images']), undefined)
  assert.equal(await rootOf(['--root', 'x', 'images']), '/here/x')
  assert.equal(await rootOf(['images', '--root=/y']), '/y')
  assert.equal(await rootOf(['--root', 'x', 'images', '--root=/y']), '/y')
})

test('tsbox inspect prints docker’s JSON, with null where docker has null', async () => {
  const { stdout } = await runCli(['inspect', 'app'], answers)
  const [object] = JSON.parse(stdout) as [Record<string, Record<string, unknown>>]
  assert.equal(object.Id, ID)
  assert.deepEqual(object.Config!.Labels, { k: 'v' })
  assert.equal(object.Config!.Entrypoint, null)
  assert.match(stdout, /^\[\n {4}\{\n {8}"Id": /)
})

test('tsbox system prune asks first, and does nothing unless told yes', async () => {
  const deleted = async (stdin: string) => {
    const { calls, stderr } = await runCli(['system', 'prune', '-a'], {}, { stdin })
    assert.match(stderr, /WARNING! This will remove:[\s\S]*all images without at least one container/)
    return calls.some((c) => c.method === 'prune')
  }
  assert.equal(await deleted('n\n'), false)
  assert.equal(await deleted(''), false)
  assert.equal(await deleted('y\n'), true)
  assert.equal(await deleted('YES\n'), true)
})

test('tsbox save -o writes the file whole or not at all', async () => {
  writeFileSync(join(dir, 'old.tar'), 'old')
  await runCli(['save', '-o', 'new.tar', 'a'], {}, { cwd: dir })
  assert.equal(readFileSync(join(dir, 'new.tar'), 'utf8'), 'tar')
  const { status, stderr } = await runCli(['save', '-o', 'none/new.tar', 'a'], {}, { cwd: dir })
  assert.equal(status, 1)
  assert.match(stderr, /cannot save to ".*none\/new\.tar": ENOENT/)
  assert.deepEqual(readdirSync(dir).sort(), ['new.tar', 'old.tar'])
})

test('archives go to no terminal and come from none', async () => {
  const save = await runCli(['save', 'a'], {}, { terminal: { stdout: true } })
  assert.equal(save.status, 1)
  assert.match(save.stderr, /cowardly refusing to save to a terminal/)
  const load = await runCli(['load'], {}, { terminal: { stdin: true } })
  assert.equal(load.status, 1)
  assert.match(load.stderr, /standard input is a terminal/)
})

const report: DoctorReport = {
  facts: [
    { id: 'userns', state: 'ok', title: 'user namespaces', detail: 'made, mapped and mounted in' },
    {
      id: 'subid',
      state: 'missing',
      title: 'subordinate ids',
      detail: 'no range for "me"',
      cost: 'owners are emulated',
      mend: 'sudo usermod --add-subuids 100000-165535 me',
    },
  ],
  modes: { userns: 'single', backend: 'namespace', network: 'host' },
}

test('tsbox doctor shows facts, what is missing with its cost and cure, and what will be used', async () => {
  assert.equal(
    (await runCli(['doctor'], { doctor: report })).stdout,
    `ok        user namespaces   made, mapped and mounted in
missing   subordinate ids   no range for "me"

Missing:
  subordinate ids
    costs: owners are emulated
    mend:  sudo usermod --add-subuids 100000-165535 me

tsbox will use:
  id mode   single
  backend   namespace
  network   host
`,
  )
  const { stdout } = await runCli(['doctor', '--format', 'json'], { doctor: report })
  assert.deepEqual(JSON.parse(stdout), report)
})

test('tsbox dockerfile ops answers a line with a line', async () => {
  const stdin = '{"id":"1","op":"expand","word":"a$B","env":["B=c"]}\n\nnonsense\n{"id":"2","op":"what"}\n'
  const { stdout, status } = await runCli(['dockerfile', 'ops'], {}, { stdin })
  const [first, second, third] = stdout
    .trim()
    .split('\n')
    .map((l) => JSON.parse(l) as { id: string; ok: boolean; result?: string })
  assert.equal(status, 0)
  assert.deepEqual(first, { id: '1', ok: true, result: 'ac' })
  assert.equal(second!.ok, false)
  assert.deepEqual([third!.id, third!.ok], ['2', false])
})

test('--format yaml says the same as json', async () => {
  const yaml = await runCli(['inspect', '--format', 'yaml', 'app'], { inspect: inspected })
  assert.match(yaml.stdout, /^- Id: sha256:/)
  assert.match(yaml.stdout, /\n {4}Env:\n {6}- A=1\n/)
  const list = await runCli(['images', '--format', 'yaml'], { list: images })
  assert.match(list.stdout, /\n {2}Repository: app\n/)
})
