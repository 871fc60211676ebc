/** What a build does: order, reuse, reproducibility, and what it leaves in the image. */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, test } from 'node:test'
import { HAS_SUBIDS, makeBase, requireBox, sharedCli, writeContext } from '../helpers/cli.js'
import { savedImage } from '../helpers/saved.js'

const cli = sharedCli()
before(() => makeBase(cli))

/** Waits in a step, at most 30 s, until a file is there. */
const WAIT = (file: string) =>
  `n=0; while [ ! -e ${file} ] && [ $n -lt 300 ]; do sleep 0.1; n=$((n + 1)); done; [ -e ${file} ]`

/** Numbers of the vertices in a plain log that were executed, by what they were named. */
function executed(log: string): string[] {
  const names = new Map<string, string>()
  for (const [, id, name] of log.matchAll(/^#(\d+) (\[.*)$/gm)) names.set(id!, name!)
  const cached = new Set([...log.matchAll(/^#(\d+) CACHED$/gm)].map((m) => m[1]!))
  return [...names].filter(([id, name]) => !cached.has(id) && !name.startsWith('[internal]')).map(([, name]) => name)
}

test('stages that do not need each other run at once', async (t) => {
  if (!(await requireBox(t))) return
  const meet = (mine: string, other: string) =>
    `RUN --mount=type=cache,id=meet-${cli.mark},target=/meet touch /meet/${mine} && ${WAIT(`/meet/${other}`)}`
  const context = writeContext(cli, {
    Dockerfile: [
      'FROM base AS one',
      meet('one', 'two'),
      'FROM base AS two',
      meet('two', 'one'),
      'FROM base',
      'COPY --from=one /etc/passwd /one',
      'COPY --from=two /etc/passwd /two',
    ].join('\n'),
  })
  cli.build(context)
})

test('--jobs 1 runs one step after the other', async (t) => {
  if (!(await requireBox(t))) return
  const step = (name: string) =>
    `FROM base AS ${name}\nRUN --mount=type=cache,id=log-${cli.mark},target=/log echo begin >> /log/all && sleep 0.3 && echo end >> /log/all`
  const context = writeContext(cli, {
    Dockerfile: [
      step('a'),
      step('b'),
      step('c'),
      'FROM base',
      ...['a', 'b', 'c'].map((s) => `COPY --from=${s} /etc/passwd /${s}`),
      `RUN --mount=type=cache,id=log-${cli.mark},target=/log cat /log/all > /all`,
    ].join('\n'),
  })
  cli.build(context, ['--jobs', '1', '-t', 'one-by-one'])
  assert.equal(cli.ok(['run', '--rm', 'one-by-one', 'cat', '/all']), 'begin\nend\n'.repeat(3))
})

test('a stage that the target does not need does not run', async (t) => {
  if (!(await requireBox(t))) return
  const Dockerfile = 'FROM base AS unused\nRUN exit 1\nFROM base AS used\nRUN echo yes\nFROM unused AS last\n'
  const { log } = cli.build(writeContext(cli, { Dockerfile }), ['--target', 'used'])
  assert.doesNotMatch(log, /exit 1/)
  assert.match(log, /yes/)
})

test('built again, nothing runs and the image is the same', async (t) => {
  if (!(await requireBox(t))) return
  const context = writeContext(cli, {
    Dockerfile:
      'FROM base AS make\nCOPY src /src\nRUN cat /src > /out\nWORKDIR /w\nFROM base\nCOPY --from=make /out /out\nUSER 5\nCMD ["cat", "/out"]\n',
    src: 'source',
  })
  const first = cli.build(context, ['-t', 'again'])
  assert.equal(executed(first.log).length, 4)
  const second = cli.build(context, ['-t', 'again'])
  assert.deepEqual(executed(second.log), [])
  assert.equal(second.id, first.id)
  assert.equal(cli.ok(['run', '--rm', 'again']), 'source')
})

test('a changed file runs what comes after it, not what comes before', async (t) => {
  if (!(await requireBox(t))) return
  const context = writeContext(cli, {
    Dockerfile: 'FROM base\nCOPY a /a\nRUN cat /a > /tools\nCOPY b /b\nRUN cat /b > /out\n',
    a: 'a',
    b: 'one',
  })
  cli.build(context)
  writeFileSync(join(context, 'b'), 'two')
  const { log } = cli.build(context, ['-t', 'changed'])
  assert.deepEqual(
    executed(log).map((n) => n.replace(/^\[.*?\] /, '')),
    ['COPY b /b', 'RUN cat /b > /out'],
  )
  assert.equal(cli.ok(['run', '--rm', 'changed', 'cat', '/out']), 'two')
})

test('a file that is only touched, copied or renamed around changes nothing', async (t) => {
  if (!(await requireBox(t))) return
  const files = { Dockerfile: 'FROM base\nCOPY a /a\nRUN cat /a\n', a: 'same', '.dockerignore': 'b\n' }
  cli.build(writeContext(cli, files))
  const { log } = cli.build(writeContext(cli, { ...files, b: 'ignored' }))
  assert.deepEqual(executed(log), [])
})

test('build arguments that are used are part of what is cached', async (t) => {
  if (!(await requireBox(t))) return
  const context = writeContext(cli, {
    Dockerfile: 'ARG FROM=base\nFROM $FROM\nARG A=1 B\nRUN echo "A=$A B=$B" > /args\n',
  })
  const one = cli.build(context, ['--build-arg', 'A=x', '--build-arg', 'B', '-t', 'args'], { env: { B: 'env' } })
  assert.equal(cli.ok(['run', '--rm', 'args', 'cat', '/args']), 'A=x B=env\n')
  const two = cli.build(context, ['--build-arg', 'A=y'])
  assert.equal(executed(two.log).length, 1)
  assert.equal(cli.build(context, ['--build-arg', 'A=x', '--build-arg', 'B=env']).id, one.id)
})

const REPRODUCIBLE = {
  Dockerfile: `FROM base AS make
COPY --chmod=640 src /src
RUN mkdir -p /out/deep && cat /src > /out/deep/file && chown 1:2 /out/deep/file && ln -s file /out/deep/link
RUN rm /etc/group && touch /tmp/new && echo 'x:x:7:8::/:/bin/sh' >> /etc/passwd
FROM base
COPY --from=make --chown=3:4 /out /out
WORKDIR /made/here
RUN chmod 4711 /out/deep/file && mkdir -m 1777 /out/sticky
`,
  src: 'source\n',
}

test('with SOURCE_DATE_EPOCH a build without cache gives the same digests', async (t) => {
  if (!(await requireBox(t))) return
  const env = { SOURCE_DATE_EPOCH: '1700000000' }
  const first = cli.build(writeContext(cli, REPRODUCIBLE), [], { env })
  await new Promise((done) => setTimeout(done, 1100))
  const second = cli.build(writeContext(cli, REPRODUCIBLE), ['--no-cache', '-t', 'repro'], { env })
  assert.equal(executed(second.log).filter((n) => n.includes('RUN')).length, 3)
  assert.equal(second.id, first.id)
  const { layers, config } = await savedImage(cli, 'repro')
  for (const e of layers.flat()) assert.ok(e.mtimeSeconds <= 1700000000, `${e.path} ${e.mtimeSeconds}`)
  assert.equal((config as unknown as { created: string }).created, '2023-11-14T22:13:20Z')
})

if (HAS_SUBIDS)
  test('both id modes give the same digests', async (t) => {
    if (!(await requireBox(t))) return
    const env = { SOURCE_DATE_EPOCH: '1700000000' }
    const ids = ['subid', 'single'].map(
      (mode) => cli.build(writeContext(cli, REPRODUCIBLE), ['--no-cache', '--userns', mode], { env }).id,
    )
    assert.equal(ids[0], ids[1])
  })

test('builds of one Dockerfile at once in one store all succeed', async (t) => {
  if (!(await requireBox(t))) return
  const context = writeContext(cli, {
    Dockerfile: 'FROM base\nCOPY src /src\nRUN cat /src /src > /twice\nRUN cat /twice > /out\nCOPY src /again\n',
    src: 'x'.repeat(100_000),
  })
  const env = { SOURCE_DATE_EPOCH: '1700000000' }
  const builds = [0, 1, 2].map((n) => cli.start(['build', '-q', '-t', `at-once:${n}`, context], { env }))
  const ended = await Promise.all(builds.map((b) => b.ended))
  for (const ran of ended) assert.equal(ran.code, 0, ran.stderr)
  assert.equal(new Set(ended.map((r) => r.stdout)).size, 1)
  assert.equal(cli.ok(['run', '--rm', 'at-once:1', 'cat', '/out']).length, 200_000)
  assert.deepEqual(executed(cli.build(context, [], { env }).log), [])
})

test('-q prints the id and nothing else', () => {
  const ran = cli.run(['build', '-q', writeContext(cli, { Dockerfile: 'FROM base\nLABEL a=b\n' })])
  assert.match(ran.stdout, /^sha256:[0-9a-f]{64}\n$/)
  assert.equal(ran.stderr, '')
})

test('--progress rawjson is a line of JSON for each event', async (t) => {
  if (!(await requireBox(t))) return
  const ran = cli.run([
    'build',
    '--progress',
    'rawjson',
    writeContext(cli, { Dockerfile: 'FROM base\nRUN echo said\n' }),
  ])
  assert.equal(ran.code, 0, ran.stderr)
  const events = ran.stderr
    .trim()
    .split('\n')
    .map((l) => JSON.parse(l) as Record<string, { data?: string; name?: string; completed?: string }[]>)
  const logs = events.flatMap((e) => e.logs ?? []).map((l) => Buffer.from(l.data!, 'base64').toString())
  assert.ok(logs.includes('said\n'), ran.stderr)
  assert.ok(events.flatMap((e) => e.vertexes ?? []).some((v) => v.name?.includes('RUN echo said') && v.completed))
})

test('--iidfile, --metadata-file, --label and several tags', () => {
  const context = writeContext(cli, { Dockerfile: 'FROM base AS a\nLABEL from=a\nFROM base AS b\n' })
  const iid = join(cli.dir, 'iid')
  const metadata = join(cli.dir, 'metadata')
  const args = ['--target', 'a', '-t', 'many:1', '-t', 'many:2', '--label', 'own=x', '--iidfile', iid]
  cli.ok(['build', ...args, '--metadata-file', metadata, context])
  const id = readFileSync(iid, 'utf8')
  const { Id, Config, RepoTags } = JSON.parse(cli.ok(['inspect', 'many:2']))[0]
  assert.equal(Id, id)
  assert.deepEqual(Config.Labels, { from: 'a', own: 'x' })
  assert.deepEqual(RepoTags.sort(), ['many:1', 'many:2'])
  assert.equal(JSON.parse(readFileSync(metadata, 'utf8'))['containerimage.config.digest'], id)
})

test('the Dockerfile may come from elsewhere and from standard input', () => {
  const context = writeContext(cli, { a: 'file', 'other/My.Dockerfile': 'FROM base\nCOPY a /a\n' })
  const named = cli.run(['build', '-q', '-f', 'other/My.Dockerfile', '.'], { cwd: context })
  assert.equal(named.code, 0, named.stderr)
  const piped = cli.run(['build', '-q', '-f', '-', '.'], { cwd: context, input: 'FROM base\nCOPY a /a\n' })
  assert.equal(piped.stdout, named.stdout, piped.stderr)
})

test('steps that change the same, or nothing, can be stacked', async (t) => {
  if (!(await requireBox(t))) return
  const Dockerfile =
    'FROM base\nRUN true\nRUN test -e /\nRUN echo a > /f\nRUN rm /f\nRUN echo a > /f\nRUN rm /f\nRUN test ! -e /f\n'
  const env = { SOURCE_DATE_EPOCH: '1700000000' }
  cli.build(writeContext(cli, { Dockerfile }), ['-t', 'same'], { env })
  assert.equal(cli.ok(['run', '--rm', 'same', 'sh', '-c', 'ls /f 2>/dev/null; echo $?']), '2\n')
})

test('an image may have many layers', async (t) => {
  if (!(await requireBox(t))) return
  const steps = Array.from({ length: 70 }, (_, n) => `COPY file /d/f${n}\n`)
  const context = writeContext(cli, {
    Dockerfile: `FROM base\n${steps.join('')}RUN ls /d | wc -l > /count\n`,
    file: '',
  })
  cli.build(context, ['-t', 'many-layers'])
  assert.equal(cli.ok(['run', '--rm', 'many-layers', 'cat', '/count']), '70\n')
})
