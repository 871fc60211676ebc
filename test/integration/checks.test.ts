/** Build checks as a user meets them: warnings of builds in each kind of progress, and checks without a build. */
import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { makeBase, requireBox, sharedCli, writeContext } from '../helpers/cli.js'

const cli = sharedCli()
before(() => makeBase(cli))

const WARNED = 'FROM base as x\nENV A b\nRUN true\n'
const LINES = [
  "FromAsCasing: 'as' and 'FROM' keywords' casing do not match (line 1)",
  'LegacyKeyValueFormat: "ENV key=value" should be used instead of legacy "ENV key value" format (line 2)',
]

test('a build with plain progress warns where the Dockerfile is read and at the end, cached or not', async (t) => {
  if (!(await requireBox(t))) return
  const context = writeContext(cli, { Dockerfile: WARNED })
  for (const state of ['new', 'cached']) {
    const { log } = cli.build(context)
    assert.equal(/RUN true\n#\d+ CACHED$/m.test(log), state === 'cached')
    for (const line of LINES) assert.ok(log.includes(`#1 WARN: ${line}\n`), log)
    const list = LINES.map((l) => ` - ${l}\n`).join('')
    assert.ok(log.endsWith(`\n 2 warnings found (use --debug to expand):\n${list}`), log)
  }
})

test('--debug explains each warning and shows its lines', async (t) => {
  if (!(await requireBox(t))) return
  const { log } = cli.build(writeContext(cli, { Dockerfile: WARNED }), ['--debug'])
  assert.ok(
    log.endsWith(` - ${LINES[1]}
Legacy key/value format with whitespace separator should not be used
More info: https://docs.docker.com/go/dockerfile/rule/legacy-key-value-format/
Dockerfile:2
--------------------
   1 |     FROM base as x
   2 | >>> ENV A b
   3 |     RUN true
   4 |${'     '}
--------------------

`),
    log,
  )
})

test('rawjson has the warnings of a build as SolveStatus, and quiet has none', async (t) => {
  if (!(await requireBox(t))) return
  const context = writeContext(cli, { Dockerfile: WARNED })
  const raw = cli.run(['build', '--progress=rawjson', context])
  const statuses = raw.stderr
    .trim()
    .split('\n')
    .map((l) => JSON.parse(l))
  const warnings = statuses.flatMap((s) => s.warnings ?? [])
  assert.deepEqual(
    warnings.map((w) => Buffer.from(w.short, 'base64').toString()),
    LINES,
  )
  const definition = statuses.flatMap((s) => s.vertexes ?? []).find((v) => v.name.includes('load build definition'))
  assert.ok(warnings.every((w) => w.vertex === definition.digest && w.sourceInfo.filename === 'Dockerfile'))
  assert.equal(cli.run(['build', '-q', context]).stderr, '')
})

test('check=error=true fails a build with 1 before any step runs', async (t) => {
  if (!(await requireBox(t))) return
  const images = cli.images()
  const ran = cli.run(['build', '--progress=plain', writeContext(cli, { Dockerfile: `# check=error=true\n${WARNED}` })])
  assert.equal(ran.code, 1)
  assert.match(ran.stderr, /^ERROR: .*lint violation found for rules: FromAsCasing, LegacyKeyValueFormat$/m)
  assert.doesNotMatch(ran.stderr, /RUN true/)
  assert.deepEqual(cli.images(), images)
})

test('--check needs no context, no helper and no namespaces', () => {
  const env = { TSBOX_HELPER: '/nowhere', TSBOX_ROOT: `${cli.dir}/none` }
  const context = writeContext(cli, { Dockerfile: WARNED })
  const checked = cli.run(['build', '--check', context], { env })
  assert.match(checked.stdout, /^Check complete, 2 warnings have been found!\n\nWARNING: FromAsCasing - https:/)
  assert.equal(checked.stderr, '')
  assert.equal(checked.code, 1)
  const piped = cli.run(['build', '--call=targets,format=json', '-'], { env, input: 'FROM scratch AS only\n' })
  assert.equal(JSON.parse(piped.stdout).targets[0].name, 'only')
  assert.equal(piped.code, 0)
})
