/** Kinds of steps: what they may use, what they see, how they end. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, test } from 'node:test'
import { makeBase, REPO, requireBox, sharedCli, writeContext } from '../helpers/cli.js'
import { savedImage } from '../helpers/saved.js'

const cli = sharedCli()
before(() => makeBase(cli))

/** Waits in a step, at most 30 s, until a file is there. */
const WAIT = (file: string) =>
  `n=0; while [ ! -e ${file} ] && [ $n -lt 300 ]; do sleep 0.1; n=$((n + 1)); done; [ -e ${file} ]`

test('here-documents are files, scripts and programs', async (t) => {
  if (!(await requireBox(t))) return
  const Dockerfile = `FROM base
ARG WHO=world
COPY <<EOF <<'RAW' /texts/
hello $WHO
EOF
as \${it} is
RAW
RUN <<EOF
set -e
echo "script for $WHO" > /script
EOF
RUN <<EOF cat - > /stdin
EOF
RUN <<PROGRAM
#!/bin/sh
echo "program $0" | cut -c1-7 > /program 2>/dev/null || echo program > /program
PROGRAM
RUN cat <<EOF > /piped
piped
EOF
`
  cli.build(writeContext(cli, { Dockerfile }), ['-t', 'heredocs'])
  const all = cli.ok(['run', '--rm', 'heredocs', 'cat', '/texts/EOF', '/texts/RAW', '/script', '/program', '/piped'])
  assert.equal(all, 'hello world\nas ${it} is\nscript for world\nprogram\npiped\n')
})

test('ONBUILD runs in the image that builds on it, not before and not twice', async (t) => {
  if (!(await requireBox(t))) return
  const parent = writeContext(cli, { Dockerfile: 'FROM base\nONBUILD COPY app /app\nONBUILD RUN cat /app > /done\n' })
  const { log } = cli.build(parent, ['-t', 'parent'])
  assert.doesNotMatch(log, /RUN|COPY/)
  cli.build(writeContext(cli, { Dockerfile: 'FROM parent\n', app: 'mine' }), ['-t', 'child'])
  assert.equal(cli.ok(['run', '--rm', 'child', 'cat', '/done']), 'mine')
  cli.build(writeContext(cli, { Dockerfile: 'FROM child\nRUN rm /done\n' }), ['-t', 'grandchild'])
  assert.notEqual(cli.run(['run', '--rm', 'grandchild', 'cat', '/done']).code, 0)
})

test('a program in WebAssembly is a step of its own kind', async () => {
  const wasm = { text: readFileSync(join(REPO, 'fixtures/demo/chart/chart.wasm')) }
  const context = writeContext(cli, {
    Dockerfile: 'FROM scratch\nCOPY chart.wasm table /\nRUN ["/chart.wasm", "table", "chart.svg", "Title"]\n',
    'chart.wasm': wasm,
    table: 'month,mm\nJune,3\nJuly,5\n',
  })
  for (const backend of ['auto', 'wasi']) {
    const { log } = cli.build(context, ['--no-cache', '--backend', backend, '-t', 'wasm'])
    assert.match(log, /2 bars, total 8, largest 5/)
    const { layers } = await savedImage(cli, 'wasm')
    const svg = layers.flat().find((e) => e.path === 'chart.svg')
    assert.match(String(svg?.content), /^<svg/)
  }
})

test('mounts of a step: bind, cache, tmpfs; none of them is in the image', async (t) => {
  if (!(await requireBox(t))) return
  const Dockerfile = `FROM base AS lib
RUN mkdir /lib2 && echo library > /lib2/file
FROM base
RUN --mount=type=bind,from=lib,source=/lib2,target=/mnt/lib cat /mnt/lib/file > /out
RUN --mount=type=bind,target=/mnt/context,rw echo over > /mnt/context/file && cat /mnt/context/file >> /out
RUN --mount=type=tmpfs,target=/mnt/tmp stat -f -c %T /mnt/tmp >> /out && echo x > /mnt/tmp/x
RUN --mount=type=cache,target=/mnt/cache,uid=5,mode=0750 stat -c '%u %a' /mnt/cache >> /out && touch /mnt/cache/x
`
  const context = writeContext(cli, { Dockerfile, file: 'context\n' })
  cli.build(context, ['-t', 'mounts'])
  assert.equal(cli.ok(['run', '--rm', 'mounts', 'cat', '/out']), 'library\nover\ntmpfs\n5 750\n')
  assert.equal(readFileSync(join(context, 'file'), 'utf8'), 'context\n')
  const { layers } = await savedImage(cli, 'mounts')
  const below = layers.flat().filter((e) => e.path.startsWith('mnt/') && e.type !== 'directory')
  assert.deepEqual(
    below.map((e) => e.path),
    [],
  )
})

test('--network=none leaves a step the loopback alone', async (t) => {
  if (!(await requireBox(t))) return
  const Dockerfile = 'FROM base\nRUN --network=none grep -c : /proc/net/dev > /devices\n'
  cli.build(writeContext(cli, { Dockerfile }), ['-t', 'no-network'])
  assert.equal(cli.ok(['run', '--rm', 'no-network', 'cat', '/devices']), '1\n')
})

test('an interrupted build ends soon and leaves nothing', async (t) => {
  if (!(await requireBox(t))) return
  const context = writeContext(cli, { Dockerfile: 'FROM base\nRUN echo started && sleep 100\n' })
  const images = cli.images()
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    const build = cli.start(['build', '--progress', 'plain', '-t', 'never', context])
    await build.until(/^#\d+ [\d.]+ started/m)
    build.child.kill(signal)
    assert.equal((await build.ended).code, code, build.stderr())
    assert.deepEqual(cli.leftovers(), [])
  }
  assert.deepEqual(cli.images(), images)
})

test('a failing step ends the steps beside it', async (t) => {
  if (!(await requireBox(t))) return
  const Dockerfile = `FROM base AS slow
RUN --mount=type=cache,id=fail-${cli.mark},target=/c touch /c/up && sleep 100
FROM base AS bad
RUN --mount=type=cache,id=fail-${cli.mark},target=/c ${WAIT('/c/up')} && exit 3
FROM base
COPY --from=slow /a /a
COPY --from=bad /a /b
`
  const ran = cli.run(['build', '--progress', 'plain', writeContext(cli, { Dockerfile })], { timeoutMs: 60_000 })
  assert.equal(ran.code, 1, ran.stderr)
  assert.match(ran.stderr, /^ERROR: .*exit code: 3$/m)
  assert.match(ran.stderr, /^#\d+ CANCELED$/m)
  assert.deepEqual(cli.leftovers(), [])
})
