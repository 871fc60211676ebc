/** Shell commands in a build without namespaces. */
import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { openCli, sharedCli, writeContext } from '../helpers/cli.js'

const cli = sharedCli()
const wasi = ['--backend', 'wasi']
before(() => {
  const context = writeContext(cli, {
    Dockerfile: `FROM scratch AS site
COPY page.md greet.sh /src/
WORKDIR /src
ENV TITLE="A page"
RUN set -eu; mkdir -p /site; { echo "<h1>$TITLE</h1>"; sed 's/^- \\(.*\\)/<li>\\1<\\/li>/' page.md; } > /site/index.html \\
 && for n in 1 2 3; do echo "item $n"; done | sort -r > /site/list
RUN <<EOT
  chmod 640 /site/list
  ln -s list /site/link
  rm page.md
  sh ./greet.sh tsbox >> /site/index.html
EOT
RUN --mount=type=tmpfs,target=/tmp tar czf /site.tgz -C / site && sha256sum /site.tgz > /sum && echo scratch > /tmp/x
FROM scratch
COPY --from=site /site /site
COPY --from=site /sum /
`,
    'page.md': 'text\n- one\n- two\n',
    'greet.sh': 'echo "<p>hello $1</p>"\n',
  })
  cli.build(context, [...wasi, '-t', 'site'], { env: { SOURCE_DATE_EPOCH: '1700000000' } })
  cli.build(context, [...wasi, '-t', 'again', '--no-cache'], { env: { SOURCE_DATE_EPOCH: '1700000000' } })
})

test('a site is made by pipes, redirections, here-documents and scripts', () => {
  const json = JSON.parse(cli.ok(['image', 'explore', '--format', 'json', 'site']))
  const files = json.layers[0].changes.map((c: { path: string; mode: number; size: number; link?: string }) => [
    c.path,
    c.mode.toString(8),
    c.link ?? c.size,
  ])
  assert.deepEqual(files, [
    ['site', '755', 0],
    ['site/index.html', '644', 66],
    ['site/link', '777', 'list'],
    ['site/list', '640', 21],
  ])
})

test('the same bytes, whenever it is built', () => {
  const id = (tag: string) => cli.ok(['inspect', '-f', '{{.Id}}', tag])
  assert.equal(id('site'), id('again'))
})

const refused: [what: string, script: string, message: RegExp][] = [
  ['a program that is not there', 'echo a; cd /; apt-get update', /line 1, column 15: "apt-get" is not there/],
  [
    'a part of the language that is not POSIX',
    'if [[ -f x ]]; then :; fi',
    /line 1, column 4: "\[\[" is not a command of POSIX shells/,
  ],
  ['the background', 'sleep 1 & wait', /line 1, column 1: a command in the background \(&\) is not supported/],
  ['a bad script', 'echo "unterminated', /line 1, column 6: unterminated double quotes/],
  ['arrays', 'a=(1 2)', /arrays are not in POSIX shells/],
]
for (const [what, script, message] of refused)
  test(`${what} is refused before anything runs`, (t) => {
    const other = openCli(t)
    const context = writeContext(other, { Dockerfile: `FROM scratch\nRUN echo first\nRUN ${script}\n` })
    const { code, stderr } = other.run(['build', ...wasi, '--progress', 'plain', context])
    assert.equal(code, 1)
    assert.match(stderr, message)
    assert.match(stderr, /Dockerfile:3/)
  })

test('a failing command fails the step with its status, and leaves no layer', (t) => {
  const other = openCli(t)
  const context = writeContext(other, { Dockerfile: 'FROM scratch\nRUN echo partly > /x; nothere=1; exit 7\n' })
  const { code, stderr } = other.run(['build', ...wasi, '--progress', 'plain', context])
  assert.equal(code, 1)
  assert.match(stderr, /did not complete successfully: exit code: 7/)
})

test('an endless loop ends with the build', async (t) => {
  const other = openCli(t)
  const context = writeContext(other, { Dockerfile: 'FROM scratch\nRUN echo begun; while :; do :; done\n' })
  const running = other.start(['build', ...wasi, '--progress', 'plain', context])
  await running.until(/begun/)
  running.child.kill('SIGINT')
  assert.equal((await running.ended).code, 130)
})
