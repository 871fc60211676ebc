/** `tsbox build --verify`: two builds from scratch, and the first difference between them. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { type Cli, makeBase, openCli, requireBox, writeContext } from '../helpers/cli.js'
import { ID_MODES } from '../helpers/userns.js'

async function open(t: TestContext): Promise<Cli | undefined> {
  if (!(await requireBox(t))) return undefined
  const cli = openCli(t)
  makeBase(cli)
  return cli
}

/** Verifies a Dockerfile. @returns exit status, and what was told after the progress */
function verify(cli: Cli, Dockerfile: string, args: readonly string[] = []): { code: number | null; told: string } {
  const context = writeContext(cli, { Dockerfile: `FROM base\n${Dockerfile}`, file: 'x' })
  const { code, stderr } = cli.run(['build', '--progress', 'plain', '-t', 'v', '--verify', ...args, context])
  return {
    code,
    told: stderr.slice(Math.max(stderr.lastIndexOf('\nthe two builds'), stderr.lastIndexOf('\nverified'))),
  }
}

/** What is no more the same at each run. */
const RANDOM = 'head -c 8 /dev/urandom | sha256sum'
/** Sets a time after now that is another one at each run. */
const LATER = 'touch -d @$((4000000000 + 0x$(head -c 8 /dev/urandom | sha256sum | head -c 4)))'
const EPOCH = { SOURCE_DATE_EPOCH: '1700000000' }

for (const { mode } of ID_MODES) {
  test(`--verify tells of equal builds, and keeps the image: ${mode}`, async (t) => {
    const cli = (await open(t))?.with(EPOCH)
    if (!cli) return
    const { code, told } = verify(cli, 'WORKDIR /app\nCOPY file .\nRUN echo made > made\n', ['--userns', mode])
    assert.equal(code, 0, told)
    assert.equal(told, '\nverified: two builds without the cache gave the same files in every layer of the image\n')
    assert.ok(cli.ok(['images', '-q', 'v']).trim(), 'the image is tagged')
    assert.deepEqual(cli.leftovers(), [])
  })

  test(`--verify names the first step, the first path and the difference: ${mode}`, async (t) => {
    const cli = (await open(t))?.with(EPOCH)
    if (!cli) return
    const userns = ['--userns', mode]
    const text = verify(
      cli,
      `RUN echo same > /a\nRUN printf 'head\\n' > /b; ${RANDOM} >> /b; echo > /c\nRUN ${RANDOM} > /d\n`,
      userns,
    )
    assert.equal(text.code, 1)
    assert.match(text.told, /differ, first in \[3\/4\] RUN printf/)
    assert.match(
      text.told,
      /\n {2}\/b: content from byte \d+\n {2}@@ line 1\n {3}head\n {2}-[0-9a-f]{64} {2}-\n {2}\+[0-9a-f]{64} {2}-\n/,
    )
    assert.match(text.told, /hint: look for dates, random values/)
    assert.deepEqual(cli.run(['images', '-q', 'v']).stdout, '', 'nothing is tagged')

    const big = verify(cli, 'RUN head -c 1000000 /dev/zero > /z; head -c 20 /dev/urandom >> /z\n', userns)
    const hex = '(?:[0-9a-f]{2} )+\\(from byte 10000\\d\\d\\)'
    assert.match(big.told, new RegExp(`/z: content from byte 10000\\d\\d\\n {2}- ${hex}\\n {2}\\+ ${hex}\\n`))
    const owner = 'n=$((16#$(head -c 1 /dev/urandom | sha256sum | head -c 4)))'.replace('16#', '0x')
    const id = verify(cli, `RUN echo > /f; ${owner}; chown $n /f\n`, userns)
    assert.match(id.told, /\/f: owner \d+:0 → \d+:0\nhint: let the step set modes and owners/)
    const name = verify(cli, `RUN mkdir /d; ${owner}; echo > /d/x$n\n`, userns)
    assert.match(name.told, /\/d\/x\d+: only the (first|second) build has this file\nhint: let the step remove/)
  })
}

test('--verify without SOURCE_DATE_EPOCH: contents count before times, times alone have a hint', async (t) => {
  const cli = await open(t)
  if (!cli) return
  const times = verify(cli, `RUN ${LATER} /t\n`)
  assert.equal(times.code, 1)
  assert.match(
    times.told,
    /RUN touch.*\n {2}\/t: mtime \S+Z → \S+Z\nhint: set SOURCE_DATE_EPOCH, or build with --reproducible\n/,
  )
  const content = verify(cli, `RUN ${LATER} /t\nRUN ${RANDOM} > /r\n`)
  assert.match(content.told, /\/r: content from byte \d+\n/)
  // From scratch also where a layer of the first build would do.
  assert.match(verify(cli, 'RUN sleep 1\nWORKDIR /w\n').told, /WORKDIR \/w\n {2}\/w: mtime /)
  const kept = verify(cli, 'COPY file /\n')
  assert.equal(kept.code, 0)
  assert.match(kept.told, /the dates of the image itself are fixed only with SOURCE_DATE_EPOCH/)
  assert.equal(verify(cli, `RUN ${LATER} /t\n`, ['--reproducible']).code, 0)
})

test('--verify looks at all stages, and is content where the image is the same', async (t) => {
  const cli = (await open(t))?.with(EPOCH)
  if (!cli) return
  const stages = (copied: string) => `RUN ${RANDOM} > /log; cp /log /app
FROM base
COPY --from=0 ${copied} /copied
`
  const told = verify(cli, stages('/app'))
  assert.match(told.told, /first in \[stage-0 2\/2\] RUN/)
  assert.match(told.told, /in the image it shows first in \[stage-1 2\/2\] COPY --from=0 \/app \/copied: \/copied\n/)
  assert.equal(verify(cli, stages('/bin/true')).code, 0)
  const piped = cli.run(['build', '--verify', '-'], { input: 'FROM base\n' })
  assert.equal(piped.code, 1)
  assert.match(piped.stderr, /verify: the context is read twice, and standard input can be read only once/)
})
