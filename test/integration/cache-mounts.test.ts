/** Cache mounts that one step, or two at once, want in ways that could block them. */
import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { makeBase, requireBox, sharedCli, writeContext } from '../helpers/cli.js'

const cli = sharedCli()
before(() => makeBase(cli))

const cache = (id: string, target: string, sharing: string) =>
  `--mount=type=cache,id=${id},target=${target},sharing=${sharing}`

for (const sharing of ['locked', 'shared', 'private'])
  test(`a step that mounts a ${sharing} cache twice has it once, at both places`, async (t) => {
    if (!(await requireBox(t))) return
    const mounts = `${cache(sharing, '/a', sharing)} ${cache(sharing, '/b', sharing)}`
    const Dockerfile = `FROM base\nRUN ${mounts} echo both > /a/f && cat /b/f > /out\n`
    cli.build(writeContext(cli, { Dockerfile }), ['-t', 'twice'])
    assert.equal(cli.ok(['run', '--rm', 'twice', 'cat', '/out']), 'both\n')
  })

test('two steps that lock the same caches in another order both end', async (t) => {
  if (!(await requireBox(t))) return
  const a = cache('first', '/a', 'locked')
  const b = cache('second', '/b', 'locked')
  const Dockerfile = [
    ...['FROM base AS one', `RUN ${a} ${b} sleep 0.3`],
    ...['FROM base AS two', `RUN ${b} ${a} sleep 0.3`],
    ...['FROM base', 'COPY --from=one /bin/sh /one', 'COPY --from=two /bin/sh /two'],
  ].join('\n')
  cli.build(writeContext(cli, { Dockerfile }), [], { timeoutMs: 60_000 })
})
