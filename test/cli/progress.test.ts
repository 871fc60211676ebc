import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ProgressEvent } from '../../src/build/progress/event.js'
import { progressColours } from '../../src/cli/progress/colours.js'
import { endingText } from '../../src/cli/progress/ending.js'
import { openProgress, progressMode } from '../../src/cli/progress/open.js'
import { PlainPrinter } from '../../src/cli/progress/plain.js'
import { RawJsonPrinter } from '../../src/cli/progress/rawjson.js'
import { TtyPrinter } from '../../src/cli/progress/tty.js'
import type { Shell } from '../../src/cli/shell.js'
import { stripAnsi } from '../../src/cli/text-width.js'

const PLAIN = progressColours({ NO_COLOR: '1' }).colours
const T0 = Date.parse('2024-05-06T07:08:09Z')

const vertex = (id: number, name: string, inputs: number[] = []): ProgressEvent => {
  return { type: 'vertex', id, name, digest: `${id}`.repeat(4), inputs }
}
const start = (id: number, at = 0): ProgressEvent => ({ type: 'start', id, time: T0 + at })
const done = (id: number, at: number, error?: string): ProgressEvent => {
  return { type: 'done', id, time: T0 + at, cached: false, error }
}
const cached = (id: number): ProgressEvent => ({ type: 'done', id, time: T0, cached: true })
const log = (id: number, at: number, text: string | Uint8Array): ProgressEvent => {
  return { type: 'log', id, time: T0 + at, stream: 1, data: typeof text === 'string' ? Buffer.from(text) : text }
}
const status = (id: number, at: number, name: string, current: number, total: number, done: boolean): ProgressEvent => {
  return { type: 'status', id, time: T0 + at, name, current, total, done }
}
const warning = (id: number): ProgressEvent => {
  const url = 'https://docs.docker.com/go/dockerfile/rule/from-as-casing/'
  const source = { file: 'Dockerfile', text: 'FROM a as b\nRUN x\n' }
  const said = { rule: 'FromAsCasing', message: "'as' and 'FROM' differ", description: 'same case', url }
  return { type: 'warning', id, time: T0, ...said, line: 1, endLine: 1, source }
}
/** Print what is due, this long after the start. */
const tick = (at: number) => at

type Step = ProgressEvent | number

/** Plays events and ticks; the last tick is made at the end. */
function plain(steps: readonly Step[]): string {
  let out = ''
  const printer = new PlainPrinter((text) => {
    out += text
  })
  for (const s of steps) {
    if (typeof s === 'number') printer.flush(T0 + s)
    else printer.update(s)
  }
  printer.flush(T0 + 100_000)
  return out
}

// Expected texts are in the layout that `docker buildx build --progress=plain` prints.
const plainCases: [what: string, steps: Step[], expected: string][] = [
  [
    'steps one after another',
    [
      vertex(1, '[internal] load build definition from Dockerfile'),
      start(1),
      status(1, 0, 'transferring dockerfile:', 0, 0, false),
      status(1, 20, 'transferring dockerfile:', 31, 0, true),
      done(1, 30),
      vertex(2, '[1/2] FROM base', [1]),
      start(2),
      cached(2),
      vertex(3, '[2/2] RUN make', [2]),
      start(3, 100),
      log(3, 223, 'one\n'),
      log(3, 350, 'two\nthree\n'),
      done(3, 400),
    ],
    `#1 [internal] load build definition from Dockerfile
#1 transferring dockerfile: 31B 0.0s done
#1 DONE 0.0s

#2 [1/2] FROM base
#2 CACHED

#3 [2/2] RUN make
#3 0.123 one
#3 0.250 two
#3 0.250 three
#3 DONE 0.3s
`,
  ],
  [
    'a line that comes in pieces, also within a character',
    [
      vertex(1, 'a'),
      start(1),
      log(1, 1, 'begin'),
      tick(10),
      log(1, 500, Buffer.from('é').subarray(0, 1)),
      tick(600),
      log(1, 700, Buffer.from('é').subarray(1)),
      log(1, 800, '\nnext\n'),
      tick(900),
      log(1, 12_345, 'late'),
      done(1, 120_000),
    ],
    `#1 a
#1 0.001 beginé
#1 0.800 next
#1 12.35 late
#1 DONE 120.0s
`,
  ],
  [
    'two steps at once: what completes is printed at once, the other goes on afterwards',
    [
      vertex(1, 'a'),
      vertex(2, 'b'),
      start(1),
      start(2),
      log(1, 10, 'a1\n'),
      log(2, 10, 'b1\n'),
      tick(100),
      done(2, 150),
      tick(200),
      log(1, 300, 'a2\n'),
      done(1, 400),
    ],
    `#1 a
#1 0.010 a1
#1 ...

#2 b
#2 0.010 b1
#2 DONE 0.1s

#1 a
#1 0.300 a2
#1 DONE 0.4s
`,
  ],
  [
    'two steps at once: the silent one is heard in time',
    [
      vertex(1, 'a'),
      vertex(2, 'b'),
      start(1),
      start(2),
      log(1, 10, 'a1\n'),
      log(2, 10, 'b1\n'),
      tick(100),
      log(1, 500, 'a2\n'),
      tick(600),
      log(1, 11_000, 'a3\n'),
      tick(11_100),
      done(1, 12_000),
      done(2, 12_000),
    ],
    `#1 a
#1 0.010 a1
#1 0.500 a2
#1 11.00 a3
#1 ...

#2 b
#2 0.010 b1
#2 DONE 12.0s

#1 a
#1 DONE 12.0s
`,
  ],
  [
    'a failed step and those that were ended for it',
    [
      vertex(1, 'a'),
      vertex(2, 'b'),
      start(1),
      start(2),
      done(1, 50, 'process "x" did not complete successfully: exit code: 3'),
      done(2, 60, 'context canceled'),
    ],
    `#1 a
#1 ERROR: process "x" did not complete successfully: exit code: 3

#2 b
#2 CANCELED
`,
  ],
  [
    'a transfer is told at every twentieth',
    [
      vertex(1, 'load'),
      start(1),
      status(1, 0, 'layer', 0, 1_000_000, false),
      tick(1),
      status(1, 10, 'layer', 10_000, 1_000_000, false),
      tick(20),
      status(1, 500, 'layer', 500_000, 1_000_000, false),
      tick(600),
      status(1, 1000, 'layer', 1_000_000, 1_000_000, true),
      done(1, 1000),
    ],
    `#1 load
#1 layer 0B / 1.00MB
#1 layer 500.00kB / 1.00MB 0.5s
#1 layer 1.00MB / 1.00MB 1.0s done
#1 DONE 1.0s
`,
  ],
  [
    'a warning',
    [vertex(1, 'check'), start(1), warning(1), done(1, 10)],
    `#1 check
#1 WARN: FromAsCasing: 'as' and 'FROM' differ (line 1)
#1 DONE 0.0s
`,
  ],
]

for (const [what, steps, expected] of plainCases) {
  test(`PlainPrinter prints ${what}`, () => {
    assert.equal(plain(steps), expected)
  })
}

test('endingText() shows the last ten lines of what failed, then the warnings', () => {
  const printer = new PlainPrinter(() => undefined)
  const lines = Array.from({ length: 12 }, (_, i) => `line ${i}\n`).join('')
  const events = [vertex(1, 'a'), start(1), log(1, 0, lines), done(1, 1, 'bad'), vertex(2, 'b'), start(2), warning(2)]
  for (const e of [...events, done(2, 2, 'canceled')]) printer.update(e)
  printer.flush(T0)
  const shown = Array.from({ length: 10 }, (_, i) => `0.000 line ${i + 2}\n`).join('')
  const failed = `------\n > a:\n${shown}------\n`
  const warned = " - FromAsCasing: 'as' and 'FROM' differ (line 1)\n"
  assert.equal(endingText(printer.trace, false), `${failed}\n 1 warning found (use --debug to expand):\n${warned}`)
  assert.equal(
    endingText(printer.trace, true),
    `${failed}
 1 warning found:
${warned}same case
More info: https://docs.docker.com/go/dockerfile/rule/from-as-casing/
Dockerfile:1
--------------------
   1 | >>> FROM a as b
   2 |     RUN x
   3 |${'     '}
--------------------

`,
  )
})

test('RawJsonPrinter prints one SolveStatus of BuildKit for each event', () => {
  const lines: unknown[] = []
  const printer = new RawJsonPrinter((text) => lines.push(JSON.parse(text)))
  const events = [
    vertex(1, 'a'),
    vertex(2, 'b', [1]),
    start(2),
    log(2, 5, 'hi\n'),
    status(2, 7, 's', 1, 2, true),
    warning(2),
  ]
  for (const e of [...events, done(2, 9, 'bad'), cached(1)]) printer.update(e)
  const at = (ms: number) => new Date(T0 + ms).toISOString()
  const b = { digest: 'sha256:2222', inputs: ['sha256:1111'], name: 'b' }
  const short = Buffer.from("FromAsCasing: 'as' and 'FROM' differ (line 1)").toString('base64')
  const url = 'https://docs.docker.com/go/dockerfile/rule/from-as-casing/'
  assert.deepEqual(lines, [
    { vertexes: [{ digest: 'sha256:1111', name: 'a' }] },
    { vertexes: [b] },
    { vertexes: [{ ...b, started: at(0) }] },
    { logs: [{ vertex: 'sha256:2222', stream: 1, data: 'aGkK', timestamp: at(5) }] },
    {
      statuses: [
        { id: 's', vertex: 'sha256:2222', total: 2, current: 1, timestamp: at(7), started: at(7), completed: at(7) },
      ],
    },
    {
      warnings: [
        {
          vertex: 'sha256:2222',
          level: 1,
          short,
          detail: [Buffer.from('same case').toString('base64')],
          url,
          sourceInfo: {
            filename: 'Dockerfile',
            data: Buffer.from('FROM a as b\nRUN x\n').toString('base64'),
            language: 'Dockerfile',
          },
          range: [{ start: { line: 1 }, end: { line: 1 } }],
        },
      ],
    },
    { vertexes: [{ ...b, started: at(0), completed: at(9), error: 'bad' }] },
    { vertexes: [{ digest: 'sha256:1111', name: 'a', completed: at(0), cached: true }] },
  ])
})

/** A terminal that understands what TtyPrinter writes: going up, clearing to the end of the line and the screen. */
function screen() {
  const lines: string[] = ['']
  let row = 0
  return {
    write(text: string) {
      for (const [part] of text.matchAll(/\x1b\[(\d+)A|\x1b\[[?\d]*[A-Za-z]|\n|\r|[^\x1b\n\r]+/g)) {
        const up = /^\x1b\[(\d+)A$/.exec(part)
        if (up) row -= Number(up[1])
        else if (part === '\n') lines[++row] ??= ''
        else if (part === '\x1b[J') lines.splice(row, lines.length, '')
        else if (!/^[\x1b\r]/.test(part)) lines[row] = part
      }
    },
    text: () => lines.join('\n'),
  }
}

test('TtyPrinter shows warnings below the step that they belong to, in yellow', () => {
  let out = ''
  const size = { columns: 80, rows: 24 }
  const printer = new TtyPrinter(
    (text) => {
      out += text
    },
    { size: () => size, colours: progressColours({}).colours },
  )
  for (const e of [vertex(1, 'load build definition'), start(1), warning(1), done(1, 100)]) printer.update(e)
  printer.draw(T0 + 200, true)
  assert.match(
    out,
    /definition +0\.1s.*\n\x1b\[33m => WARN: FromAsCasing: 'as' and 'FROM' differ \(line 1\) +0\.1s\x1b\[39m/,
  )
})

test('TtyPrinter draws over what it drew', () => {
  const s = screen()
  const size = { columns: 40, rows: 24 }
  const printer = new TtyPrinter((text) => s.write(text), { size: () => size, colours: PLAIN })
  for (const e of [
    vertex(1, '[1/2] FROM base'),
    vertex(2, '[2/2] RUN make -j a-long-line-that-is-cut'),
    start(1),
    cached(1),
    start(2),
  ])
    printer.update(e)
  printer.update(log(2, 100, 'com\x1b[31mpiling\x1b[0m\r50%\r100%\tdone\n'))
  printer.draw(T0 + 1500, false)
  assert.equal(
    s.text(),
    `[+] Building 1.5s (1/2)
 => CACHED [1/2] FROM base         0.0s
 => [2/2] RUN make -j a-long-li... 1.5s
 => => # 0.100 100%        done
`,
  )
  printer.update(done(2, 2000))
  printer.draw(T0 + 2100, true)
  assert.equal(
    s.text(),
    `[+] Building 2.0s (2/2) FINISHED
 => CACHED [1/2] FROM base         0.0s
 => [2/2] RUN make -j a-long-li... 2.0s
`,
  )
})

test('TtyPrinter keeps to the height of the terminal, and shows all at the end', () => {
  const s = screen()
  const printer = new TtyPrinter((text) => s.write(text), { size: () => ({ columns: 60, rows: 6 }), colours: PLAIN })
  for (let id = 1; id <= 9; id++) for (const e of [vertex(id, `step ${id}`), start(id)]) printer.update(e)
  for (let id = 1; id <= 8; id++) printer.update(done(id, 10))
  printer.draw(T0 + 1000, false)
  const names = () => [...s.text().matchAll(/step \d/g)].map(([m]) => m)
  assert.deepEqual(names(), ['step 6', 'step 7', 'step 8', 'step 9'])
  printer.draw(T0 + 1000, true)
  assert.equal(names().length, 9)
})

const terminal = (isTerminal: boolean, columns: number, env: Shell['env'] = {}) => {
  let out = ''
  const stderr = {
    write: (t: string) => {
      out += t
    },
    isTerminal,
    columns: () => columns,
    rows: () => 24,
  }
  return { shell: { env, stderr, now: () => T0 + 5000 } as unknown as Shell, text: () => out }
}

const modes: [given: string | undefined, quiet: boolean, terminal: ReturnType<typeof terminal>, mode: string][] = [
  [undefined, false, terminal(true, 80), 'tty'],
  [undefined, false, terminal(false, 80), 'plain'],
  [undefined, false, terminal(true, 30), 'plain'],
  [undefined, false, terminal(true, 80, { TERM: 'dumb' }), 'plain'],
  [undefined, false, terminal(true, 80, { BUILDKIT_PROGRESS: 'rawjson' }), 'rawjson'],
  ['plain', false, terminal(true, 80, { BUILDKIT_PROGRESS: 'rawjson' }), 'plain'],
  ['tty', false, terminal(false, 80), 'plain'],
  ['plain', true, terminal(true, 80), 'quiet'],
  ['quiet', false, terminal(true, 80), 'quiet'],
]

for (const [given, quiet, { shell }, mode] of modes) {
  test(`progressMode() chooses ${mode} (${modes.findIndex((m) => m[2].shell === shell)})`, () => {
    assert.equal(progressMode(given, quiet, shell), mode)
  })
}

test('progressMode() does not guess at an unknown BUILDKIT_PROGRESS', () => {
  assert.throws(() => progressMode(undefined, false, terminal(true, 80, { BUILDKIT_PROGRESS: 'x' }).shell), {
    code: 'E_PROGRESS',
  })
})

for (const mode of ['plain', 'tty', 'rawjson', 'quiet'] as const) {
  test(`openProgress() shows a failure in mode ${mode} and leaves nothing running`, async () => {
    const { shell, text } = terminal(true, 80, { NO_COLOR: '1' })
    const progress = await openProgress(mode, shell, false)
    for (const e of [vertex(1, 'RUN x'), start(1), log(1, 1, 'words\n'), done(1, 2, 'bad')]) progress.sink(e)
    progress.end()
    assert.match(stripAnsi(text()), mode === 'rawjson' ? /"error":"bad"/ : / > RUN x:\n0\.001 words\n/)
  })
}
