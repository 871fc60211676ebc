/** --no-cache-filter: which steps run anew, and which results still come from the cache. */
import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { makeBase, requireBox, sharedCli, writeContext } from '../helpers/cli.js'

const cli = sharedCli()
before(() => makeBase(cli))

const Dockerfile = `FROM base AS tools
RUN date +%s%N > /time
FROM tools AS above
RUN cat /time > /above
FROM base AS steady
RUN echo steady > /steady
FROM base AS app
COPY --from=steady /steady /steady
RUN cat /steady > /copy
COPY --from=above /above /above
RUN cat /above > /end
`
const context = () => writeContext(cli, { Dockerfile })

/** Names of RUNs that were executed. */
function ran(log: string): string[] {
  const cached = new Set([...log.matchAll(/^#(\d+) CACHED$/gm)].map((m) => m[1]))
  // A step is named again where its lines go on behind those of another.
  const steps = new Map([...log.matchAll(/^#(\d+) \[.*?\] RUN (.*)$/gm)].map((m) => [m[1], m[2]!]))
  return [...steps].flatMap(([number, command]) => (cached.has(number) ? [] : [command]))
}

const build = (...args: string[]) => {
  const { log } = cli.build(context(), ['-t', 'app', ...args])
  return { ran: ran(log), time: cli.ok(['run', '--rm', 'app', 'cat', '/end']) }
}

test('steps of the stages that are named run anew, and what stands on them', async (t) => {
  if (!(await requireBox(t))) return
  const first = build()
  assert.equal(first.ran.length, 5)
  assert.deepEqual(build(), { ran: [], time: first.time })
  const anew = build('--no-cache-filter', 'tools')
  assert.deepEqual(anew.ran.sort(), ['cat /above > /end', 'cat /time > /above', 'date +%s%N > /time'])
  assert.notEqual(anew.time, first.time)
  assert.deepEqual(build(), { ran: [], time: anew.time }, 'the new results are the cached ones')
})

test('a copy of what came out the same ends it', async (t) => {
  if (!(await requireBox(t))) return
  build()
  assert.deepEqual(build('--no-cache-filter', 'steady').ran, ['echo steady > /steady'])
  assert.deepEqual(build('--no-cache-filter=2,tools').ran.length, 4, 'stages also have numbers')
})

test('a stage that is not there is an error with the nearest name', () => {
  const { code, stderr } = cli.run(['build', '--no-cache-filter', 'tool', context()])
  assert.equal(code, 1)
  assert.match(stderr, /"tool" could not be found \(did you mean tools\?\)/)
})
