/** RUN with its mounts and here-documents, variables and users: what steps see, told by the steps. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, type TestContext, test } from 'node:test'
import { HAS_SUBIDS, makeBase, requireBox, sharedCli, writeContext } from '../helpers/cli.js'
import { assertFailed } from '../helpers/refusal.js'

const cli = sharedCli()
before(() => makeBase(cli))

const MODES = HAS_SUBIDS ? ['subid', 'single'] : ['single']

/** Builds and gives what the image has in `/out`. */
async function outOf(
  t: TestContext,
  lines: string,
  args: readonly string[] = [],
  env = {},
): Promise<string | undefined> {
  if (!(await requireBox(t))) return undefined
  const context = writeContext(cli, { Dockerfile: `FROM base\n${lines}\n`, f: 'context\n' })
  cli.build(context, ['-t', 'out', ...args], { env })
  return cli.ok(['run', '--rm', '-u', '0', 'out', 'cat', '/out'])
}

const steps: [name: string, lines: string, out: string, args?: string[]][] = [
  [
    'several ARGs a line, later ones made of earlier ones',
    'ARG A=1 B=$A C="$B c"\nARG D\nRUN echo "$A,$B,$C,${D-none}" > /out',
    '1,1,1 c,none\n',
  ],
  [
    'an ARG that is given, and one that the Dockerfile never asks for',
    'ARG A=1\nRUN echo "$A ${B-none}" > /out',
    '7 none\n',
    ['--build-arg', 'A=7'],
  ],
  [
    'what comes last of an ENV and an ARG',
    'ENV A=env\nRUN echo $A > /out\nARG A=arg\nRUN echo $A >> /out\nENV A=again\nRUN echo $A >> /out',
    'env\n7\nagain\n',
    ['--build-arg', 'A=7'],
  ],
  [
    'an ARG declared again has its value from there on',
    'ARG A=1\nRUN echo $A > /out\nARG A=2\nRUN echo $A >> /out',
    '1\n2\n',
  ],
  [
    'proxies without ARG',
    'RUN echo "$http_proxy $NO_PROXY" > /out',
    'http://p.invalid n\n',
    ['--build-arg', 'http_proxy=http://p.invalid', '--build-arg', 'NO_PROXY=n'],
  ],
  [
    'SHELL for RUN',
    'SHELL ["/bin/sh", "-c", "echo shell $0", "x"]\nRUN anything\nSHELL ["/bin/sh", "-ec"]\nRUN false; echo no > /out || true\n'.replace(
      'RUN false; echo no > /out || true\n',
      'RUN echo after > /out',
    ),
    'after\n',
  ],
  [
    'a here-document as a script of its own interpreter',
    'RUN <<EOF\n#!/usr/bin/env -S sh -eu\necho "$0" | grep -c . > /out\nEOF',
    '1\n',
  ],
  [
    'a here-document with variables of the step, not of the Dockerfile',
    'ENV V=env\nRUN <<EOF\nV=own\necho $V > /out\nEOF',
    'own\n',
  ],
  [
    'here-documents with quotes, tabs and blanks in their names',
    "RUN <<-'E F' cat > /out\n\t$V `x`\n\tE F",
    '$V `x`\n',
  ],
  ['a command over several here-documents', 'RUN cat <<A > /out && cat <<B >> /out\n1\nA\n2\nB', '1\n2\n'],
  ['an exec form, without a shell', 'RUN ["/bin/sh", "-c", "echo $0 > /out", "$HOME"]', '$HOME\n'],
  ['comments and empty lines in a command', 'RUN echo a \\\n\n  # no\n  b > /out', 'a b\n'],
  [
    'tmpfs of a size',
    'RUN --mount=type=tmpfs,target=/m,size=64k head -c 1000000 /dev/zero > /m/f || wc -c < /m/f > /out',
    '65536\n',
  ],
  ['a bind of a file', 'RUN --mount=source=f,target=/m/f cat /m/f > /out', 'context\n'],
  [
    'a bind of a folder that is read-only',
    'RUN --mount=target=/m sh -c "echo x > /m/f || echo refused > /out"',
    'refused\n',
  ],
  ['a relative target', 'WORKDIR /w\nRUN --mount=source=f,target=sub/f cat /w/sub/f > /out', 'context\n'],
  [
    'a mount with variables',
    'ARG ID=one\nENV AT=/m\nRUN --mount=type=cache,id=$ID,target=${AT}/c touch /m/c/x && ls /m/c > /out',
    'x\n',
  ],
  [
    'a cache from a folder of a stage',
    'COPY f /seed/f\nFROM base\nRUN --mount=type=cache,id=seed,from=0,source=/seed,target=/c cat /c/f > /out',
    'context\n',
  ],
  [
    'a cache that is read-only',
    'RUN --mount=type=cache,id=ro,target=/c touch /c/x\nRUN --mount=type=cache,id=ro,target=/c,ro ls /c > /out; touch /c/y || echo refused >> /out',
    'x\nrefused\n',
  ],
  ['devices that nobody requires', 'RUN --device=vendor.com/class=x echo without > /out', 'without\n'],
  [
    '--network=none',
    'RUN --network=none ls /sys/class/net > /out 2>/dev/null || grep -o "^ *[a-z0-9]*:" /proc/net/dev | tr -d " :" > /out',
    'lo\n',
  ],
  ['no trailing newline and a continuation at the end', 'RUN echo end > /out \\', 'end\n'],
]
for (const [name, lines, out, args] of steps)
  test(`a step has ${name}`, async (t) => {
    const found = await outOf(t, lines, args)
    if (found !== undefined) assert.equal(found, out)
  })

for (const mode of MODES)
  test(`mounts have the owners and modes that are asked for, in ${mode} mode`, async (t) => {
    writeFileSync(join(cli.dir, 'token'), 'token')
    const list = (path: string) => `stat -c '%n %u:%g %a' ${path} >> /out`
    const lines = [
      `RUN --mount=type=secret,id=t ${list('/run/secrets/t')}`,
      `RUN --mount=type=secret,id=t,target=/s,uid=3,gid=4,mode=0440 ${list('/s')}`,
      'WORKDIR /w',
      `RUN --mount=type=secret,id=t,target=rel/s ${list('/w/rel/s')}`,
      'RUN --mount=type=secret,id=t,env=E --mount=type=secret,id=v,env=F echo "$E $F" >> /out; ls /run/secrets 2>/dev/null | wc -l >> /out',
      'RUN --mount=type=secret,id=t,env=E,target=/both echo "$E $(cat /both)" >> /out',
      `RUN --mount=type=cache,id=own-${mode},target=/c,uid=5,gid=6,mode=0711 ${list('/c')}`,
      `RUN --mount=type=cache,id=plain-${mode},target=/c ${list('/c')}`,
      `RUN --mount=type=tmpfs,target=/m ${list('/m')}`,
      'RUN --mount=type=secret,id=none test ! -e /run/secrets/none',
      'USER 9:10',
      'RUN --mount=type=secret,id=t,mode=0400,uid=9 cat /run/secrets/t && id -u && id -g',
    ].join('\n')
    const args = ['--userns', mode, '--secret', `id=t,src=${join(cli.dir, 'token')}`, '--secret', 'id=v,env=VALUE']
    const found = await outOf(t, lines, args, { VALUE: 'value' })
    if (found === undefined) return
    const expected = [
      ...['/run/secrets/t 0:0 400', '/s 3:4 440', '/w/rel/s 0:0 400', 'token value', '0', 'token token'],
      ...['/c 5:6 711', '/c 0:0 755', '/m 0:0 1777'],
    ]
    assert.deepEqual(found.trim().split('\n'), expected)
  })

const refused: [lines: string, message: RegExp][] = [
  ['RUN --mount=type=secret,id=none,required true', /none/],
  ['RUN --device=vendor.com/class=x,required true', /no such CDI device "vendor.com\/class=x"/],
  ['RUN --security=insecure true', /--security=insecure/],
  ['RUN --mount=type=none,target=/x true', /unsupported mount type "none"/],
  ['RUN --mount=type=cache true', /target/],
  ['RUN --mount=type=cache,target=/c,sharing=some true', /sharing/],
  ['RUN --mount=type=tmpfs,target=/c,size=much true', /size/],
  ['RUN --mount=type=bind,target=/c,from=nobody true', /nobody/],
  ['RUN --mount=source=none,target=/c true', /none/],
  ['RUN --network=some true', /some/],
  ['RUN --none=1 true', /unknown flag: --?none/],
  ['USER nobody-here\nRUN true', /nobody-here/],
  ['RUN <<EOF\nnever ended', /EOF/],
  ['ENV V', /ENV/],
  ['RUN exit 3', /exit code: 3/],
  ['ARG V=${none:?give it}', /give it/],
]
for (const [lines, message] of refused)
  test(`refused: ${lines.replaceAll('\n', '; ')}`, async (t) => {
    if (!(await requireBox(t))) return
    const ran = cli.run(['build', writeContext(cli, { Dockerfile: `FROM base\n${lines}\n` })])
    assertFailed(ran, { code: 1, message })
  })

/** Two steps that can both go on only while the other one is there, or only when it is not. */
const meeting = (mounts: string, script: string) => `FROM base AS one
RUN ${mounts} ${script.replaceAll('ME', 'one').replaceAll('OTHER', 'two')}
FROM base AS two
RUN ${mounts} ${script.replaceAll('ME', 'two').replaceAll('OTHER', 'one')}
FROM base
COPY --from=one /out /one
COPY --from=two /out /two
`
const WAIT = 'n=0; until test -e /c/OTHER; do n=$((n+1)); test $n -lt 600; sleep 0.05; done'

test('a shared cache is one folder for steps that run at once', async (t) => {
  if (!(await requireBox(t))) return
  const Dockerfile = meeting(
    '--mount=type=cache,id=meet,target=/c,sharing=shared',
    `touch /c/ME; ${WAIT}; echo met > /out`,
  )
  cli.build(writeContext(cli, { Dockerfile }), ['-t', 'met'])
  assert.equal(cli.ok(['run', '--rm', 'met', 'cat', '/one', '/two']), 'met\nmet\n')
})

test('a private cache is another folder for a step that runs at once, and the same one afterwards', async (t) => {
  if (!(await requireBox(t))) return
  // They meet in the shared cache and look into the private one while both have it.
  const mounts = '--mount=type=cache,id=sync,target=/c --mount=type=cache,id=private,target=/p,sharing=private'
  const script = `touch /p/ME; touch /c/ME; ${WAIT}; ls /p > /out; touch /c/ME-seen; n=0; until test -e /c/OTHER-seen; do n=$((n+1)); test $n -lt 600; sleep 0.05; done`
  cli.build(writeContext(cli, { Dockerfile: meeting(mounts, script) }), ['-t', 'apart'])
  assert.equal(cli.ok(['run', '--rm', 'apart', 'cat', '/one', '/two']), 'one\ntwo\n')
  const after = 'FROM base\nRUN --mount=type=cache,id=private,target=/p,sharing=private ls /p | wc -l > /out\n'
  cli.build(writeContext(cli, { Dockerfile: after }), ['-t', 'apart'])
  assert.equal(cli.ok(['run', '--rm', 'apart', 'cat', '/out']), '1\n')
})

test('a locked cache is held by one step at a time', async (t) => {
  if (!(await requireBox(t))) return
  const script = 'test ! -e /c/held; touch /c/held; sleep 0.4; rm /c/held; echo alone > /out'
  const Dockerfile = meeting('--mount=type=cache,id=locked,target=/c,sharing=locked', `set -e; ${script}`)
  cli.build(writeContext(cli, { Dockerfile }), ['-t', 'locked'])
  assert.equal(cli.ok(['run', '--rm', 'locked', 'cat', '/one', '/two']), 'alone\nalone\n')
})

test('configuration: shells of commands, what resets what, health checks', async (t) => {
  if (!(await requireBox(t))) return
  const config = (lines: string) => {
    cli.build(writeContext(cli, { Dockerfile: `FROM base\n${lines}\n` }), ['-t', 'config'])
    return JSON.parse(cli.ok(['image', 'inspect', 'config']))[0].Config
  }
  const shell = config(
    'SHELL ["/bin/sh", "-xc"]\nCMD echo $A\nENTRYPOINT exec x\nHEALTHCHECK CMD test -e /x\nONBUILD RUN y',
  )
  assert.deepEqual(shell.Shell, ['/bin/sh', '-xc'])
  assert.deepEqual(shell.Entrypoint, ['/bin/sh', '-xc', 'exec x'])
  assert.deepEqual(shell.Healthcheck, { Test: ['CMD-SHELL', 'test -e /x'] })
  assert.deepEqual(shell.OnBuild, ['RUN y'])
  // In one stage a CMD stays; the one of a base goes when there is a new ENTRYPOINT.
  assert.deepEqual(shell.Cmd, ['/bin/sh', '-xc', 'echo $A'])
  cli.build(writeContext(cli, { Dockerfile: 'FROM base\nCMD ["inherited"]\nHEALTHCHECK CMD ["x"]\n' }), [
    '-t',
    'parent',
  ])
  const child = (lines: string) => {
    cli.build(writeContext(cli, { Dockerfile: `FROM parent\n${lines}\n` }), ['-t', 'child'])
    return JSON.parse(cli.ok(['image', 'inspect', 'child']))[0].Config
  }
  assert.deepEqual(child('ENV A=1').Cmd, ['inherited'])
  assert.equal(child('ENTRYPOINT ["e"]').Cmd ?? undefined, undefined)
  assert.deepEqual(child('HEALTHCHECK NONE').Healthcheck, { Test: ['NONE'] })
  const flags = '--interval=30s --timeout=3s --start-period=1m --start-interval=2s --retries=5'
  assert.deepEqual(child(`HEALTHCHECK ${flags} CMD curl "a b"`).Healthcheck, {
    ...{ Test: ['CMD-SHELL', 'curl "a b"'], Interval: 30e9, Timeout: 3e9 },
    ...{ StartPeriod: 60e9, StartInterval: 2e9, Retries: 5 },
  })
  assert.deepEqual(child('USER 5\nWORKDIR a\nWORKDIR b/../c\nLABEL a=1 "b c"="d e"\nLABEL a=2'), {
    ...child('USER 5\nWORKDIR /a/c\nLABEL a=2 "b c"="d e"'),
  })
})
