/** `tsbox build --graph` of real builds. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { makeBase, openCli, requireBox, writeContext } from '../helpers/cli.js'

test('the graph of a build has its stages, mounts, times, sizes, and the reasons of --explain', async (t) => {
  if (!(await requireBox(t))) return
  const cli = openCli(t)
  makeBase(cli)
  const Dockerfile = `FROM base AS one
RUN --mount=target=/ctx cat /ctx/file > /one
FROM base AS two
COPY file /two
FROM scratch
COPY --from=one /one /
COPY --from=two /two /
`
  const context = writeContext(cli, { Dockerfile, file: 'x'.repeat(1234) })
  const svg = join(cli.dir, 'graph.svg')
  cli.build(context, ['--graph', svg])
  const drawn = readFileSync(svg, 'utf8')
  for (const stage of ['one', 'two', 'stage-2'])
    assert.ok(drawn.includes(`<g class="stage"><title>${stage}</title>`), stage)
  assert.match(
    drawn,
    /<title>RUN --mount=target=\/ctx cat \/ctx\/file &gt; \/one\n\d+(\.\d+)? m?s · ran · 1\.23kB<\/title>/,
  )
  assert.equal(drawn.match(/<g class="ran">/g)?.length, 5, 'four steps and the context')
  assert.equal(drawn.match(/<g class="cached">/g)?.length, 1, 'the base')
  assert.equal(drawn.match(/class="line takes"/g)?.length, 4, 'of the context twice, of two stages')
  assert.equal(drawn.match(/class="line"/g)?.length, 3)

  const page = join(cli.dir, 'graph.html')
  cli.build(context, ['--graph', page, '--explain'])
  const text = readFileSync(page, 'utf8')
  assert.match(text, /of the steps 0 ran, 3 cached, 1 not needed/)
  assert.match(text, /because: nothing that it depends on has changed/)
  assert.match(text, /<tr id="step-\d" class="unneeded">/)
})
