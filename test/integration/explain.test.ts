/** What `tsbox build --explain` says of each step, in both id modes. */
import assert from 'node:assert/strict'
import { chmodSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type Cli, makeBase, openCli, REPO, requireBox, writeContext } from '../helpers/cli.js'
import { ID_MODES } from '../helpers/userns.js'

/** Lines about a step by the end of its name: what it did, and why. */
function explain(cli: Cli, context: string, args: readonly string[] = [], fails = false): (step: string) => string {
  const ran = cli.run(['build', '--progress', 'plain', '--explain', ...args, context])
  assert.equal(ran.code, fails ? 1 : 0, ran.stderr)
  const [, text] = ran.stderr.split('\nWhy each step ran:\n')
  assert.ok(text, ran.stderr)
  return (step) => {
    const lines = text.split('\n')
    const at = lines.findIndex((l) => l.startsWith(' [') && l.includes(step))
    assert.ok(at >= 0, `${step} is in:\n${text}`)
    const end = lines.findIndex((l, i) => i > at && !l.startsWith('   '))
    return lines.slice(at + 1, end < 0 ? undefined : end).join('\n')
  }
}

async function open(t: TestContext): Promise<Cli | undefined> {
  if (!(await requireBox(t))) return undefined
  const cli = openCli(t)
  makeBase(cli)
  return cli
}

const APP = `FROM base
ARG VERSION=1
ARG API_TOKEN=none
WORKDIR /src
RUN echo prepare $VERSION
COPY . .
RUN cat main.c > /out
`

for (const { mode } of ID_MODES) {
  test(`--explain names what changed: ${mode}`, async (t) => {
    const cli = await open(t)
    if (!cli) return
    const context = writeContext(cli, { Dockerfile: APP, '.dockerignore': 'Dockerfile\n', 'main.c': 'one', old: 'o' })
    const args = ['--userns', mode]
    const first = explain(cli, context, args)
    assert.match(first('RUN cat'), /ran in namespaces .*a shell.*no earlier build of this Dockerfile and target/)
    const second = explain(cli, context, args)
    assert.equal(second('RUN cat'), '   cached: nothing that it depends on has changed')
    assert.match(second('FROM'), /cached: the same image, sha256:[0-9a-f]{12}$/)

    writeFileSync(join(context, 'main.c'), 'other')
    writeFileSync(join(context, 'README.md'), 'new')
    rmSync(join(context, 'old'))
    const third = explain(cli, context, args)
    const files = 'src/README.md added, src/main.c changed (size 3 → 5), src/old removed'
    assert.equal(third('COPY'), `   ran: other files: ${files}`)
    assert.match(
      third('RUN cat'),
      /^ {3}ran in .*\[4\/5\] COPY \. \. above has changed: other files: src\/README\.md added/,
    )
    assert.match(third('RUN echo'), /cached/)

    // The same size, another content; and a mode.
    writeFileSync(join(context, 'main.c'), 'OTHER')
    chmodSync(join(context, 'README.md'), 0o755)
    const fourth = explain(cli, context, args)
    assert.match(fourth('COPY'), /README\.md changed \(mode 0644 → 0755\), src\/main\.c changed \(content\)$/)

    const arg = explain(cli, context, [...args, '--build-arg', 'VERSION=2'])
    assert.match(arg('RUN echo'), /ARG VERSION \(used by this step\) 1 → 2$/)
    assert.match(arg('RUN cat'), /ARG VERSION \(in its environment, not named in its command\) 1 → 2/)
    assert.match(arg('WORKDIR'), /cached/)

    writeFileSync(join(context, 'Dockerfile'), APP.replace('prepare', 'ready').replace('VERSION=1', 'VERSION=2'))
    const command = explain(cli, context, args)
    assert.match(command('RUN echo'), /its command changed: echo prepare \$VERSION → echo ready \$VERSION$/)
    assert.match(command('RUN cat'), /RUN echo ready 2 above has changed: its command changed/)
  })
}

test('--explain knows builds without cache, that failed, and results that are gone', async (t) => {
  const cli = await open(t)
  if (!cli) return
  const context = writeContext(cli, {
    Dockerfile: 'FROM base\nRUN echo a > /a\nRUN test -e /flag\nRUN never\n',
    flag: '',
  })
  const failed = explain(cli, context, [], true)
  assert.match(failed('RUN test'), /^ {3}failed in namespaces/)
  assert.match(failed('RUN never'), /^ {3}canceled: a step that it needs .* failed/)
  const again = explain(cli, context, [], true)
  assert.match(again('RUN echo'), /cached: nothing that it depends on has changed/)
  assert.match(again('RUN test'), /failed in .*: it failed in the last build$/)
  writeFileSync(join(context, 'Dockerfile'), 'FROM base\nRUN echo a > /a\n')
  const fixed = explain(cli, context)
  assert.match(fixed('RUN echo'), /cached/)
  assert.match(explain(cli, context, ['--no-cache-filter', '0'])('RUN echo'), /: --no-cache-filter\n/)
  assert.match(explain(cli, context, ['--no-cache'])('RUN echo'), /--no-cache\n {5}and nothing that it depends on/)
  for (const name of cli.names('cache')) rmSync(join(cli.root, 'cache', name))
  assert.match(explain(cli, context)('RUN echo'), /its cached layer is no longer in the store \(pruned\)/)
  cli.ok(['system', 'prune', '-f'])
  assert.deepEqual(cli.names('builds'), [], 'goes with the cache')
  assert.match(explain(cli, context)('RUN echo'), /no earlier build of this Dockerfile and target/)
})

test('--explain follows base images and stages', async (t) => {
  const cli = await open(t)
  if (!cli) return
  const Dockerfile = `FROM base AS build
COPY source /source
RUN head -c 1 /source > /made
FROM base
COPY --from=build /made /made
RUN cat /made
`
  const context = writeContext(cli, { Dockerfile, source: 'a1' })
  cli.build(context)
  writeFileSync(join(context, 'source'), 'a2')
  const same = explain(cli, context)
  assert.match(same('RUN head'), /COPY source \/source above has changed: other files: source changed \(content\)/)
  assert.match(same('COPY --from'), /cached: \[build 3\/3\] RUN head .* ran anew and gave the same files/)
  const cached = explain(cli, context)
  assert.match(cached('RUN head'), /not needed: /)
  // The stage was not needed the last time, and yet what it copied is known.
  writeFileSync(join(context, 'source'), 'b2')
  const other = explain(cli, context)
  assert.match(other('COPY source'), /source changed \(content\)/)
  assert.match(other('COPY --from'), /ran: stage build gave other files: made changed \(content\)$/)
  assert.match(
    other('RUN cat'),
    /COPY --from=build \/made \/made above has changed: stage build gave other files: made changed \(content\)$/,
  )

  const before = /cached: the same image, (sha256:[0-9a-f]{12})/.exec(other('FROM'))![1]!
  cli.build(writeContext(cli, { Dockerfile: 'FROM base\nRUN echo new > /new\n' }), ['-t', 'base'])
  const based = explain(cli, context)
  assert.match(based('FROM'), new RegExp(`another image: ${before} → sha256:`))
  assert.match(based('RUN cat'), /base image \S+ .*sha256:.* → .*sha256:/)
})

test('--explain in rawjson, and of a WebAssembly step', async (t) => {
  const cli = openCli(t)
  const wasm = { text: readFileSync(join(REPO, 'fixtures/demo/chart/chart.wasm')) }
  const context = writeContext(cli, {
    Dockerfile: 'FROM scratch\nCOPY chart.wasm table /\nRUN ["/chart.wasm", "table", "chart.svg", "Title"]\n',
    'chart.wasm': wasm,
    table: 'month,mm\nJune,3\nJuly,5\n',
  })
  const ran = cli.run(['build', '--progress', 'rawjson', '--explain', context])
  assert.equal(ran.code, 0, ran.stderr)
  const told = ran.stderr
    .split('\n')
    .flatMap((l) => (l ? ((JSON.parse(l).explanations ?? []) as Record<string, unknown>[]) : []))
  assert.deepEqual(
    told.map(({ vertex: _, ...rest }) => rest),
    [
      { outcome: 'ran', reasons: ['no earlier build of this Dockerfile and target is known'] },
      {
        outcome: 'ran',
        executor: '[wasi] (its program is a WebAssembly module)',
        reasons: ['no earlier build of this Dockerfile and target is known'],
      },
    ],
  )
  const only = explain(cli, context, ['--backend', 'wasi', '--no-cache'])
  assert.match(only('RUN'), /ran in \[wasi\] \(its program is a WebAssembly module\): --no-cache/)
})

test('values that sound secret are neither shown nor kept, and control characters are no more than text', async (t) => {
  const cli = await open(t)
  if (!cli) return
  const context = writeContext(cli, { Dockerfile: APP, 'main.c': 'x' })
  cli.build(context, ['--build-arg', 'API_TOKEN=hunter2'])
  const kept = cli.names('builds').map((n) => readFileSync(join(cli.root, 'builds', n), 'utf8'))
  assert.equal(kept.length, 1)
  assert.ok(!kept[0]!.includes('hunter2'))
  assert.match(kept[0]!, /API_TOKEN=sha256:/)
  const other = explain(cli, context, ['--build-arg', 'API_TOKEN=hunter3'])
  assert.match(other('RUN echo'), /ARG API_TOKEN \(in its environment, not named in its command\) has another value$/)
  writeFileSync(join(context, 'a\x1b[31m\nb'), '')
  assert.match(explain(cli, context, ['--build-arg', 'API_TOKEN=hunter3'])('COPY'), /src\/a\\x1b\[31m\\nb added/)
})

test('--explain says which cache a result was imported from', async (t) => {
  const cli = await open(t)
  if (!cli) return
  const context = writeContext(cli, { Dockerfile: 'FROM base\nRUN echo a > /a\n' })
  const cache = join(cli.dir, 'cache')
  cli.build(context, ['--cache-to', `type=local,dest=${cache}`])
  cli.ok(['builder', 'prune', '-af'])
  assert.deepEqual(cli.names('builds'), [], 'goes with the cache')
  const imported = explain(cli, context, ['--cache-from', `type=local,src=${cache}`])
  assert.match(imported('RUN echo'), /^ {3}cached: it was imported from .*cache/)
})

test('--explain follows mounts and inserted steps, and tells a change once', async (t) => {
  const cli = await open(t)
  if (!cli) return
  const lines = ['FROM base', 'RUN --mount=target=/c,source=src cat /c/f > /o', 'RUN cat /o > /p']
  const context = writeContext(cli, { Dockerfile: lines.join('\n'), 'src/f': '1' })
  cli.build(context)
  writeFileSync(join(context, 'src/f'), '22')
  const mounted = explain(cli, context)
  assert.match(
    mounted('source=src cat /c'),
    /: what it mounts of the build context has changed: other files: src\/f changed/,
  )
  assert.match(
    mounted('RUN cat /o'),
    /: what \[2\/3\] RUN --mount=target=\/c,source=src cat \/c\/f > \/o above mounts of the build context has changed: /,
  )
  writeFileSync(join(context, 'Dockerfile'), [lines[0], lines[1], 'RUN true', lines[2], 'RUN false || true'].join('\n'))
  const inserted = explain(cli, context)
  assert.match(inserted('RUN true'), /: no earlier build of this step$/)
  assert.match(
    inserted('RUN cat /o'),
    /: it stands on \[3\/5\] RUN true now, not on \[2\/3\] RUN --mount=target=\/c,source=src cat \/c\/f > \/o$/,
  )
  writeFileSync(join(context, 'Dockerfile'), [lines[0], 'ENV A=1', lines[1], 'RUN true', lines[2]].join('\n'))
  const variable = explain(cli, context)
  const cause = 'variable A (in its environment, not named in its command) is new: 1'
  assert.equal(variable('RUN cat /o'), `   ran in namespaces (its command is for a shell): ${cause}`)
})
