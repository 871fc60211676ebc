/** Progress for programs, of a build in which something is cached, something runs at once, and something fails. */
import assert from 'node:assert/strict'
import { before, type TestContext, test } from 'node:test'
import { makeBase, requireBox, sharedCli, writeContext } from '../helpers/cli.js'

const cli = sharedCli()
before(() => makeBase(cli))

const DOCKERFILE = `from base AS one
COPY f /f
RUN echo out; echo err >&2; printf unended
FROM base AS two
RUN echo two
FROM base
COPY --from=one /f /one
COPY --from=two /bin/sh /two
RUN echo last words; exit 3
`

/** Builds it twice, so that the second one finds something. @returns what the second one said */
async function told(t: TestContext, mode: string): Promise<string | undefined> {
  if (!(await requireBox(t))) return undefined
  const context = writeContext(cli, { Dockerfile: DOCKERFILE, f: 'content\n' })
  cli.run(['build', '--progress', mode, context])
  const ran = cli.run(['build', '--progress', mode, context])
  assert.equal(ran.code, 1)
  assert.equal(ran.stdout, '')
  return ran.stderr
}

type Json = Record<string, unknown>
type Check = (value: unknown) => boolean

const isText: Check = (v) => typeof v === 'string' && v !== ''
const isNumber: Check = (v) => Number.isInteger(v) && (v as number) >= 0
const isTime: Check = (v) => isText(v) && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$/.test(v as string)
const isDigest: Check = (v) => isText(v) && /^sha256:[0-9a-f]{64}$/.test(v as string)
const isBytes: Check = (v) => typeof v === 'string' && Buffer.from(v, 'base64').toString('base64') === v
const listOf =
  (check: Check): Check =>
  (v) =>
    Array.isArray(v) && v.every(check)
const shape =
  (required: Record<string, Check>, optional: Record<string, Check> = {}): Check =>
  (v) => {
    const fields = Object.entries(v as Json)
    const known = fields.every(([k, value]) => (required[k] ?? optional[k])?.(value))
    return known && Object.keys(required).every((k) => k in (v as Json))
  }

/** What Go decodes into BuildKit's client.SolveStatus; fields that it leaves out when they are empty are optional. */
const place = shape({ line: isNumber }, { character: isNumber })
const SOLVE_STATUS: Record<string, Check> = {
  vertexes: listOf(
    shape(
      { digest: isDigest, name: isText },
      { inputs: listOf(isDigest), started: isTime, completed: isTime, cached: (v) => v === true, error: isText },
    ),
  ),
  statuses: listOf(
    shape(
      { id: isText, vertex: isDigest, current: isNumber, timestamp: isTime },
      { name: isText, total: isNumber, started: isTime, completed: isTime },
    ),
  ),
  logs: listOf(shape({ vertex: isDigest, stream: isNumber, data: isBytes, timestamp: isTime })),
  warnings: listOf(
    shape(
      { vertex: isDigest, level: isNumber, short: isBytes },
      {
        detail: listOf(isBytes),
        url: isText,
        sourceInfo: shape({ filename: isText, data: isBytes }, { language: isText }),
        range: listOf(shape({ start: place, end: place })),
      },
    ),
  ),
}

test('rawjson is a SolveStatus a line', async (t) => {
  const said = await told(t, 'rawjson')
  if (said === undefined) return
  const lines = said.split('\n').filter((line) => line.startsWith('{'))
  const names = new Map<string, string>()
  const ended = new Map<string, Json>()
  const logs: string[] = []
  for (const line of lines) {
    const event = JSON.parse(line) as Record<string, Json[]>
    for (const [field, value] of Object.entries(event)) assert.ok(SOLVE_STATUS[field]?.(value), line)
    for (const v of event.vertexes ?? []) {
      names.set(v.digest as string, v.name as string)
      for (const input of (v.inputs ?? []) as string[]) assert.ok(names.has(input), 'inputs come first')
      if (v.completed) ended.set(v.name as string, v)
      if (v.completed) assert.ok(v.started, line)
    }
    for (const about of [...(event.statuses ?? []), ...(event.logs ?? []), ...(event.warnings ?? [])])
      assert.ok(names.has(about.vertex as string), line)
    for (const { data, stream, vertex } of event.logs ?? [])
      logs.push(`${names.get(vertex as string)} ${stream} ${Buffer.from(data as string, 'base64')}`)
  }
  const [failing] = [...ended.values()].filter((v) => v.error !== undefined)
  assert.match(String(failing?.name), /RUN echo last words; exit 3$/)
  assert.match(String(failing?.error), /exit code: 3/)
  assert.equal([...ended.values()].filter((v) => v.cached).length > 2, true)
  assert.ok(
    logs.some((l) => /RUN echo last words; exit 3 1 last words\n$/.test(l)),
    logs.join('\n'),
  )
  const statuses = lines.flatMap((l) => (JSON.parse(l) as { statuses?: Json[] }).statuses ?? [])
  const dockerfile = statuses.find((s) => s.id === 'transferring dockerfile:')
  assert.equal(dockerfile?.current, Buffer.byteLength(DOCKERFILE))
  assert.match(
    Buffer.from(
      String((JSON.parse(lines.find((l) => l.includes('"warnings"'))!) as { warnings: Json[] }).warnings[0]!.short),
      'base64',
    ).toString(),
    /^(ConsistentInstructionCasing|FromAsCasing): /,
  )
})

test('plain has blocks of numbered lines', async (t) => {
  const said = await told(t, 'plain')
  if (said === undefined) return
  // What comes below the blocks tells of the failure.
  const blocks = said.slice(0, said.indexOf('\n------\n')).split('\n\n')
  const names = new Map<string, string>()
  const open = new Set<string>()
  for (const block of blocks) {
    const [head, ...rest] = block.replace(/\n$/, '').split('\n')
    const [, number, name] = /^#(\d+) (\[.+|exporting .+)$/.exec(head!) ?? []
    assert.ok(number !== undefined, `the name of a step: ${block}`)
    assert.equal(names.get(number) ?? name, name)
    names.set(number, name!)
    for (const line of rest) assert.match(line, new RegExp(`^#${number} `), block)
    const last = rest.at(-1)!.slice(`#${number} `.length)
    assert.match(last, /^(DONE \d+\.\ds|CACHED|CANCELED|ERROR: .+|\.\.\.)$/, block)
    if (last === '...') open.add(number)
    else open.delete(number)
    for (const line of rest.slice(0, -1))
      assert.match(
        line,
        /^#\d+ (\d+\.\d{1,3} .*|.+?( [\d.]+[kMG]?B( \/ [\d.]+[kMG]?B)?)?( \d+\.\ds)?( done)?|WARN: .+)$/,
      )
  }
  assert.deepEqual([...open], [], 'every step has an end')
  assert.deepEqual(
    [...names.keys()].map(Number).sort((a, b) => a - b),
    Array.from(names, (_, i) => i + 1),
  )
  assert.match(said, /^#\d+ ERROR: .*exit code: 3$/m)
  assert.match(said, /^#\d+ \d\.\d{3} last words$/m)
  assert.match(said, /^#1 transferring dockerfile: \d+B done$/m)
})
