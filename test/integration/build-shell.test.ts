/** `tsbox build --on-error=shell` in a real terminal. */
import assert from 'node:assert/strict'
import { before, type TestContext, test } from 'node:test'
import { type Cli, HAS_SUBIDS, makeBase, onPath, requireBox, sharedCli, skip, writeContext } from '../helpers/cli.js'
import { type Action, inTerminal } from '../helpers/terminal.js'

const cli = sharedCli()
before(() => makeBase(cli))

async function requirePython(t: TestContext): Promise<boolean> {
  if (!(await requireBox(t))) return false
  return onPath('python3') || skip(t, 'python3 is not installed: sudo apt-get install python3')
}

/** Builds in a terminal with the shell asked for. */
function build(context: string, actions: readonly Action[], args: readonly string[] = [], on: Cli = cli) {
  return inTerminal(on, ['build', '--on-error=shell', ...args, context], actions)
}

/** What a script printed in the shell, by its lines `NAME=value`. */
function answers(output: string): Record<string, string> {
  return Object.fromEntries([...output.matchAll(/^@(\w+)=(.*?)\r?$/gm)].map(([, k, v]) => [k, v]))
}

const OPENED: Action = ['wait', 'A shell opens in the failed step']
const PROMPT: Action = ['wait', '[$#] $']

const SCENE = `FROM base AS library
RUN mkdir /lib2 && echo library > /lib2/file
FROM base
RUN echo 'app:x:1000:1001::/home/app:/bin/sh' >> /etc/passwd && echo below > /removed && ln -s x /link && mkdir -p -m 777 /srv/app
ENV GREETING=hello
WORKDIR /srv/app
USER app
RUN --mount=type=bind,from=library,source=/lib2,target=/mnt/lib,rw \\
    --mount=type=cache,id=scene,target=/mnt/cache,uid=1000,gid=1001 \\
    --mount=type=secret,id=word,target=/mnt/word,uid=1000 \\
    --mount=type=secret,id=word,env=WORD \\
    --mount=type=tmpfs,target=/mnt/tmp \\
    --network=none \\
    echo kept > here; ln -s here link; echo cached > /mnt/cache/file; echo last words; exit 7
`

const LOOK = [
  'echo @here=$(cat here) @',
  'echo @link=$(readlink link)',
  'echo @who=$(id -u):$(id -g)',
  'echo @where=$(pwd)',
  'echo @greeting=$GREETING',
  'echo @word=$WORD,$(cat /mnt/word)',
  'echo @library=$(cat /mnt/lib/file)',
  'echo @cache=$(cat /mnt/cache/file)',
  'echo @tmpfs=$(stat -f -c %T /mnt/tmp)',
  'echo @devices=$(grep -c : /proc/net/dev)',
  'echo @owner=$(stat -c %u:%g here link | sort -u)',
  'echo changed > here; echo changed > /mnt/cache/file; touch /mnt/cache/more',
]

for (const userns of HAS_SUBIDS ? ['subid', 'single'] : ['single']) {
  test(`the shell stands where the step failed, and leaves nothing (${userns})`, async (t) => {
    if (!(await requirePython(t))) return
    const context = writeContext(cli, { Dockerfile: SCENE, word: 'secret' })
    const args = ['--secret', `id=word,src=${context}/word`, '--userns', userns]
    const { code, output, restored } = build(context, [OPENED, PROMPT, ['send', `${LOOK.join('; ')}; exit 0\n`]], args)
    assert.equal(code, 1, output)
    const { here, ...found } = answers(output)
    assert.equal(here, 'kept @', output)
    assert.deepEqual(found, {
      link: 'here',
      who: '1000:1001',
      where: '/srv/app',
      greeting: 'hello',
      word: 'secret,secret',
      library: 'library',
      cache: 'cached',
      tmpfs: 'tmpfs',
      devices: '1',
      owner: '1000:1001',
    })
    assert.match(output, /last words[\s\S]*A shell opens/)
    assert.match(
      output,
      /ERROR: failed to build: failed to solve: process "[^"]*" did not complete successfully: exit code: 7\r\n$/,
    )
    assert.ok(restored, 'the terminal is as it was')
    assert.deepEqual(cli.leftovers(), [])
    // The step is not cached, and its cache mount is as the step left it.
    const again = cli.run(['build', '--progress', 'plain', ...args, context])
    assert.equal(again.code, 1)
    assert.match(again.stderr, /^#\d+ [\d.]+ last words$/m)
    const Dockerfile = `FROM base
RUN --mount=type=cache,id=scene,target=/mnt/cache,uid=1000,gid=1001 cat /mnt/cache/* && ls /mnt/cache
`
    const { log } = cli.build(writeContext(cli, { Dockerfile }), ['--no-cache', '--userns', userns])
    assert.match(log, /^#\d+ [\d.]+ cached\n#\d+ [\d.]+ file\n#\d+ DONE/m)
  })
}

test("the stage's SHELL is the one that opens; steps beside the failed one are ended first", async (t) => {
  if (!(await requirePython(t))) return
  const Dockerfile = `FROM base AS slow
RUN sleep 100
FROM base
RUN cp /bin/sh /usr/bin/ours
SHELL ["/usr/bin/ours", "-e", "-c"]
RUN sleep 1; exit 3
COPY --from=slow /bin/sh /slow
`
  const { code, output } = build(writeContext(cli, { Dockerfile }), [
    OPENED,
    PROMPT,
    ['send', 'false; echo "@shell=$(readlink /proc/$$/exe)"; exit 9\n'],
  ])
  assert.equal(code, 1, output)
  assert.deepEqual(answers(output), { shell: '/usr/bin/ours' })
  assert.match(output, /CANCELED \[slow 2\/2\] RUN sleep 100/)
  assert.match(output, /exit code: 3\r\n$/)
})

test('an image without any shell is told of, and the build ends as it would', async (t) => {
  if (!(await requirePython(t))) return
  const { code, output } = build(writeContext(cli, { Dockerfile: 'FROM scratch\nRUN ["/nothing"]\n' }), [])
  assert.equal(code, 1, output)
  assert.match(output, /open a shell in the failed step: its image has none of bash, sh, ash/)
  assert.match(output, /did not complete successfully: exit code: 127/)
  assert.deepEqual(cli.leftovers(), [])
})

test('a folder that the step removed is no hindrance', async (t) => {
  if (!(await requirePython(t))) return
  const Dockerfile = 'FROM base\nWORKDIR /gone\nRUN rm -r /gone; exit 4\n'
  const { code, output } = build(writeContext(cli, { Dockerfile }), [
    OPENED,
    PROMPT,
    ['send', 'echo @where=$(pwd); exit\n'],
  ])
  assert.equal(code, 1, output)
  assert.deepEqual(answers(output), { where: '/' })
})

test('--on-error=shell is refused where no shell could be used', async (t) => {
  if (!(await requireBox(t))) return
  const context = writeContext(cli, { Dockerfile: 'FROM base\nRUN false\n' })
  const refusals: [args: string[], message: RegExp][] = [
    [[context], /open a shell in a failed step: standard input is not a terminal[\s\S]*leave out --on-error=shell/],
    [['-'], /standard input is what is built/],
    [['--check', context], /cannot honour --on-error=shell: check runs no steps/],
  ]
  for (const [args, message] of refusals) {
    const ran = cli.run(['build', '--on-error=shell', ...args], { input: 'FROM base\n' })
    assert.notEqual(ran.code, 0)
    assert.match(ran.stderr, message)
    assert.doesNotMatch(ran.stderr, /RUN false/)
  }
})
