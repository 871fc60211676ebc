/** Corners of the Dockerfile language, many to a build: each line of the table is a file of the image and what it holds. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { before, test } from 'node:test'
import { makeBase, requireBox, sharedCli, writeContext } from '../helpers/cli.js'

const cli = sharedCli()
before(() => makeBase(cli))

/** Instructions, and the text of a file afterwards. */
const corners: [lines: string, file: string, text: string][] = [
  ['RUN <<EOF\necho a > /r1\necho b >> /r1\nEOF', '/r1', 'a\nb\n'],
  ['RUN <<-EOF\n\t\techo tabs > /r2\n\tEOF', '/r2', 'tabs\n'],
  ['RUN <<"MY EOF"\necho quoted > /r3\nMY EOF', '/r3', 'quoted\n'],
  ['RUN { cat; cat <&3; } <<one 3<<three > /r4\n1\none\n3\nthree', '/r4', '1\n3\n'],
  ['RUN <<EOF\n#!/bin/cat\nscript\nEOF', '/r1', 'a\nb\n'],
  ['ENV V=value\nCOPY <<EOF /c1\n$V ${V%ue} "kept" \\$V\nEOF', '/c1', 'value val "kept" $V\n'],
  ["COPY <<'EOF' /c2\n$V\nEOF", '/c2', '$V\n'],
  ['COPY <<a <<-b /c3/\nA\na\n\tB\n\tb', '/c3/b', 'B\n'],
  ['ADD --chmod=u=rwx,go= <<EOF /c4\nx\nEOF\nRUN stat -c %a /c4 > /c5', '/c5', '700\n'],
  [
    'ENV P=a/b/c.tar.gz\nENV S="${P#*/},${P##*/},${P%.*},${P%%.*},${P/b/x},${P//./-}"\nRUN echo "$S" > /e1',
    '/e1',
    'b/c.tar.gz,c.tar.gz,a/b/c.tar,a/b/c,a/x/c.tar.gz,a/b/c-tar-gz\n',
  ],
  ['ENV U=${NONE:-d}${NONE-e}${V:+f}${NONE+g}\nRUN echo $U > /e2', '/e2', 'def\n'],
  ['ENV ONE=1 TWO=$ONE\nRUN echo "<$TWO>" > /e3', '/e3', '<>\n'],
  ['ARG X=arg\nENV X=env\nRUN echo $X > /e4', '/e4', 'env\n'],
  ['WORKDIR /w\nWORKDIR $V/../d\nRUN pwd > /w1', '/w1', '/w/d\n'],
  [
    'WORKDIR /\nSHELL ["/bin/sh", "-e", "-u", "-c"]\nRUN echo $- | grep e | grep -q u && echo yes > /s1\nSHELL ["/bin/sh", "-c"]',
    '/s1',
    'yes\n',
  ],
  ['RUN echo one \\\n# comment\n\n  two \\\n  > /k1', '/k1', 'one two\n'],
  [
    'COPY --exclude=*.md --exclude=sub/no dir /x/\nRUN cd /x && find . -type f | sort > /x1',
    '/x1',
    './keep\n./sub/yes\n',
  ],
  [
    'COPY --parents dir/./sub/* dir/**/*.md /y/\nRUN cd /y && find . -type f | sort > /y1',
    '/y1',
    './dir/read.md\n./sub/no\n./sub/yes\n',
  ],
]

test('corners of instructions', async (t) => {
  if (!(await requireBox(t))) return
  const context = writeContext(cli, {
    Dockerfile: `\ufeff# syntax=docker/dockerfile:1\nFROM base\n${corners.map(([lines]) => lines).join('\n')}\n`,
    'dir/keep': '',
    'dir/read.md': '',
    'dir/sub/yes': '',
    'dir/sub/no': '',
  })
  cli.build(context, ['-t', 'corners'])
  const script = corners.map(([, file]) => `echo "== ${file}"; cat ${file}`).join('; ')
  const found = cli.ok(['run', '--rm', 'corners', 'sh', '-c', script])
  assert.equal(found, corners.map(([, file, text]) => `== ${file}\n${text}`).join(''))
})

test('the same with carriage returns at the ends of lines', async (t) => {
  if (!(await requireBox(t))) return
  const lines = [
    'FROM base',
    'ENV A=1 \\',
    '  B=2',
    'RUN echo $A \\',
    '  $B > /out',
    'COPY <<EOF /file',
    'x',
    'EOF',
    '',
  ]
  const { log } = cli.build(writeContext(cli, { Dockerfile: lines.join('\r\n') }), ['-t', 'crlf'])
  assert.match(log, /RUN echo 1 {3}2 > \/out/)
  assert.equal(cli.ok(['run', '--rm', 'crlf', 'cat', '/out', '/file']), '1 2\nx\r\n')
})

test('configuration: ranges of ports, health checks, volumes, signals', async (t) => {
  if (!(await requireBox(t))) return
  const Dockerfile = `FROM base
ARG PORTS="80 443/udp"
EXPOSE $PORTS 9000-9002
HEALTHCHECK --interval=1m30s --timeout=2s --start-period=0.5s --start-interval=250ms --retries=4 CMD ["a", "b c"]
VOLUME ["/v 1", "/v2"]
VOLUME /v3 /v4
STOPSIGNAL sigusr1
CMD echo $HOME
`
  cli.build(writeContext(cli, { Dockerfile }), ['-t', 'config'])
  const [{ Config }] = JSON.parse(cli.ok(['image', 'inspect', 'config']))
  assert.deepEqual(Object.keys(Config.ExposedPorts).sort(), ['443/udp', '80/tcp', '9000/tcp', '9001/tcp', '9002/tcp'])
  assert.deepEqual(Config.Healthcheck, {
    Test: ['CMD', 'a', 'b c'],
    Interval: 90e9,
    Timeout: 2e9,
    StartPeriod: 5e8,
    StartInterval: 25e7,
    Retries: 4,
  })
  assert.deepEqual(Object.keys(Config.Volumes).sort(), ['/v 1', '/v2', '/v3', '/v4'])
  assert.equal(Config.StopSignal, 'sigusr1')
  assert.deepEqual(Config.Cmd, ['/bin/sh', '-c', 'echo $HOME'])
})

test('ONBUILD: here-documents and COPY --from of a stage of the image that builds on it, once', async (t) => {
  if (!(await requireBox(t))) return
  const parent = `FROM base
ONBUILD COPY --from=files /made /taken
ONBUILD COPY <<EOF /inline
$V
EOF
ONBUILD RUN <<EOF
cat /taken /inline > /both
EOF
ENV V=of-parent
`
  cli.build(writeContext(cli, { Dockerfile: parent }), ['-t', 'parent'])
  const child = 'FROM base AS files\nRUN echo made > /made\nFROM parent\nONBUILD RUN echo later > /later\n'
  const { log } = cli.build(writeContext(cli, { Dockerfile: child }), ['-t', 'child'])
  assert.match(log, /^#\d+ \[stage-1 4\/4\] ONBUILD RUN <<EOF \(cat \/taken \/inline > \/both\)$/m)
  assert.equal(cli.ok(['run', '--rm', 'child', 'cat', '/both']), 'made\nof-parent\n')
  cli.build(writeContext(cli, { Dockerfile: 'FROM child\n' }), ['-t', 'grandchild'])
  assert.equal(cli.ok(['run', '--rm', 'grandchild', 'cat', '/later']), 'later\n')
  const [{ Config }] = JSON.parse(cli.ok(['image', 'inspect', 'grandchild']))
  assert.equal(Config.OnBuild ?? undefined, undefined)
})

test('BUILDPLATFORM is the machine, TARGETPLATFORM what is built for', async (t) => {
  if (!(await requireBox(t))) return
  const own = process.arch === 'x64' ? 'amd64' : process.arch
  const other = own === 'arm64' ? 'amd64' : 'arm64'
  const Dockerfile = `FROM --platform=$BUILDPLATFORM base AS tool
ARG BUILDPLATFORM TARGETPLATFORM TARGETARCH
RUN echo "$BUILDPLATFORM $TARGETPLATFORM $TARGETARCH" > /platforms
FROM scratch
COPY --from=tool /platforms /
`
  const out = `${cli.dir}/platforms-out`
  cli.build(writeContext(cli, { Dockerfile }), ['--platform', `linux/${other}`, '-o', out])
  assert.equal(readFileSync(`${out}/platforms`, 'utf8'), `linux/${own} linux/${other} ${other}\n`)
})
