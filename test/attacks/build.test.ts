/** Dockerfiles, and the images that they stand on, that attack the build: mounts, caches, links, what is not granted. */
import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, type TestContext } from 'node:test'
import { attack, attackInModes, makeCanary, makeEvil } from '../helpers/attack.js'
import { type ContextFile, HAS_SUBIDS, makeBase, type Ran, sharedCli, writeContext } from '../helpers/cli.js'
import { ownerOf, savedImage } from '../helpers/saved.js'

const cli = sharedCli()
before(() => makeBase(cli, ['mkfifo', 'mount', 'getfattr']))

const UP = '../'.repeat(14)

function build(mode: string, Dockerfile: string, files: Record<string, ContextFile> = {}, ...args: string[]): Ran {
  const context = writeContext(cli, { Dockerfile, ...files })
  return cli.run(['build', '--progress', 'plain', '--userns', mode, ...args, context])
}

/** A Dockerfile of two steps that run at the same time on one cache, one of which exchanges links and folders in it. */
function race(image: string, link: string, mounts: string, script: string): string {
  return `FROM ${image} AS flip
RUN --mount=type=cache,target=/c,id=race cd /c && rm -rf a b stop && mkdir a && ln -s ${link} b
FROM flip AS flipping
RUN --mount=type=cache,target=/c,id=race /attack flip /c/a /c/b /c/stop && touch /done
FROM flip AS victim
${Array.from({ length: 6 }, (_, i) => `RUN --mount=type=cache,target=/c,id=race ${mounts} sh -c '${script}; true'`.replaceAll('%', String(i))).join('\n')}
RUN --mount=type=cache,target=/c,id=race echo > /c/stop && touch /over
FROM base
COPY --from=flipping /done /
COPY --from=victim /over /
`
}

async function attackCache(t: TestContext, mode: string, mounts: string, script: string): Promise<void> {
  const image = makeEvil(t, cli, mode)
  if (!image) return
  const { dir, assertUntouched } = makeCanary(cli)
  for (const link of [dir, `${UP}${dir}`]) {
    const Dockerfile = race(image, link, mounts, script)
    // A mount that found nothing to be mounted on ends the build, and with it the step that exchanges.
    assertUntouched(build(mode, Dockerfile, { f: 'mine' }, '--no-cache'))
  }
  assert.deepEqual(cli.leftovers(), [])
}

attackInModes('CVE-2024-23651', 'a step that exchanges links in a cache while another mounts in it', (t, mode) =>
  attackCache(
    t,
    mode,
    '--mount=type=bind,source=f,target=/c/a/f% --mount=type=cache,id=inner,target=/c/a/sub --mount=type=tmpfs,target=/c/a/d%/x --mount=type=tmpfs,target=/c/a/e%',
    'cat /c/a/secret /c/b/secret; echo > /c/a/new',
  ),
)

attackInModes('CVE-2024-11218', 'two builds at once, one of which exchanges what the other mounts', async (t, mode) => {
  const image = makeEvil(t, cli, mode)
  if (!image) return
  const { dir, assertUntouched } = makeCanary(cli)
  const cache = '--mount=type=cache,target=/c,id=two'
  const flip = cli.start([
    ...['build', '--progress', 'plain', '--no-cache', '--userns', mode],
    writeContext(cli, {
      Dockerfile: `FROM ${image}
RUN ${cache} cd /c && rm -rf a b stop && mkdir a && ln -s ${dir} b && echo flipping-now && /attack flip /c/a /c/b /c/stop
`,
    }),
  ])
  await flip.until(/^#\d+ [\d.]+ flipping-now/m)
  const victim = build(
    mode,
    `FROM ${image}\nRUN ${cache} --mount=type=tmpfs,target=/c/a/sub --mount=type=bind,target=/c/a/ctx --mount=type=tmpfs,target=/c/a/x/y true\n`,
    {},
    '--no-cache',
  )
  const other = build(mode, `FROM base\nRUN ${cache} --mount=type=bind,target=/c/a/file,source=f true\n`, { f: 'x' })
  const stop = build(mode, `FROM base\nRUN ${cache} touch /c/stop\n`, {}, '--no-cache')
  assertUntouched(victim, other, stop, await flip.ended)
})

attackInModes(
  'CVE-2024-23652',
  'what is taken away after a step is not looked for through links that it made',
  (_, mode) => {
    const { dir, assertUntouched } = makeCanary(cli)
    // Below a link of the image mount points have to be made; what a step made itself it can exchange.
    const mounts = [
      '--mount=type=tmpfs,target=/a/x/sub',
      '--mount=type=bind,source=f,target=/a/x/empty',
      '--mount=type=cache,target=/a/x/sub',
    ]
    const ran = mounts.map((mount) => {
      const step = `RUN ${mount} mv /real/x /z && ln -s ${dir} /real/x && { ls -d /real/x/sub; true; }`
      return build(mode, `FROM base\nRUN mkdir -p /real && ln -s /real /a\n${step}\n`, { f: 'x' }, '--no-cache')
    })
    for (const { code, stderr } of ran) assert.equal(code, 0, stderr)
    assertUntouched(...ran)
    const volume = `gone-${mode}`
    cli.ok(['run', '--rm', '--userns', mode, '-v', `${volume}:/v`, 'base', 'mkdir', '/v/d'])
    const script = `mv /v/d /v/z; ln -s ${dir} /v/d`
    const args = ['run', '--rm', '--userns', mode, '-v', `${volume}:/v`, '--tmpfs', '/v/d/sub', '--tmpfs', '/v/d/new']
    assertUntouched(cli.run([...args, 'base', 'sh', '-c', script]))
    assert.deepEqual(cli.leftovers(), [])
  },
)

attack('CVE-2024-23653', 'nothing is insecure without a grant, and none is given', () => {
  const insecure = 'RUN --security=insecure cat /proc/self/status'
  for (const [Dockerfile, args] of [
    [`FROM base\n${insecure}\n`, []],
    [`FROM base\n${insecure}\n`, ['--allow', 'security.insecure']],
    [`# syntax=docker/dockerfile:1-labs\nFROM base\n${insecure}\n`, []],
    ['FROM base\nRUN --device=all,required true\n', []],
  ] as const) {
    const ran = build('single', Dockerfile, {}, ...args)
    assert.notEqual(ran.code, 0)
    assert.match(ran.stderr, /insecure|device/)
    assert.doesNotMatch(ran.stderr, /CapEff/)
  }
})

attackInModes('CVE-2024-1753', 'a part of an image that is mounted in a step is looked up in the image', (_, mode) => {
  const { dir, assertUntouched } = makeCanary(cli)
  const links = `FROM base AS links
RUN mkdir /l && ln -s ${dir} /l/abs && ln -s ${UP}${dir} /l/up && ln -s / /l/root && ln -s /proc/1/root /l/proc
`
  const ran = ['abs', 'up', `root${dir}`].flatMap((link) =>
    [
      `--mount=type=bind,from=links,source=/l/${link},target=/m,rw`,
      `--mount=type=cache,from=links,source=/l/${link},target=/m,id=${link}`,
      `--mount=type=bind,source=${link},target=/m,rw`,
    ].map((mount) =>
      build(
        mode,
        `${links}FROM base\nRUN ${mount} sh -c 'cat /m/secret /m${dir}/secret; echo > /m/new; echo > /m/file; true'\n`,
        { abs: { link: dir }, up: { link: `${UP}${dir}` }, root: { link: '/' }, proc: { link: '/proc/1/root' } },
      ),
    ),
  )
  assertUntouched(...ran)
})

attackInModes('CVE-2024-9407', 'options of mounts can not be slipped in by their paths', (_, mode) => {
  const { dir, assertUntouched } = makeCanary(cli)
  const refused: [mount: string, words: RegExp][] = [
    ['type=bind,target=/m,bind-propagation=rshared', /unexpected key 'bind-propagation'/],
    ['type=bind,target=/m,rshared', /invalid field 'rshared'/],
    ['type=cache,target=/m,z', /invalid field 'z'/],
    [`type=bind,source=${UP}${dir},target=/m`, /./],
    [`type=bind,from=${dir},target=/m`, /./],
    [`type=volume,source=${dir},target=/m`, /type/],
  ]
  for (const [mount, words] of refused) {
    const ran = build(mode, `FROM base\nRUN --mount=${mount} cat /m/secret\n`)
    assert.notEqual(ran.code, 0, mount)
    assert.match(ran.stderr, words)
    assertUntouched(ran)
  }
  const steps = ['/m:rshared', '/m:rw,rshared', `${dir}:/m`, '/m,rshared'].map(
    (target) =>
      `RUN --mount=type=bind,"target=${target}" --mount=type=cache,"target=${target}2" ! grep -E 'shared:|master:' /proc/self/mountinfo`,
  )
  assertUntouched(build(mode, `FROM base\n${steps.join('\n')}\n`))
})

attackInModes('CVE-2024-9675', 'a cache whose id climbs, or is a link, stays in the store', (_, mode) => {
  const { dir, assertUntouched } = makeCanary(cli)
  const ids = [UP, `${UP}${dir}`, dir, '..', '.', '/', '%2e%2e/%2e%2e', 'a/../../..', '"a\nb"', '~', '-rf']
  const steps = ids.map(
    (id) => `RUN --mount=type=cache,"id=${id}",target=/c sh -c "cat /c/secret; echo > /c/new; true"`,
  )
  assertUntouched(build(mode, `FROM base\n${steps.join('\n')}\n`), build(mode, `FROM base\n${steps[1]}\n`))
  const names = readdirSync(join(cli.root, 'mounts'))
  assert.ok(names.length > 0 && names.every((name) => /^(subid|single)-[0-9a-f]+$/.test(name)), names.join(' '))
})

attackInModes('CVE-2024-9676', 'the account files of an image are no way to read, or to hang, anything', (_, mode) => {
  const { dir, assertUntouched } = makeCanary(cli)
  const makes = [
    `ln -s ${dir}/passwd /etc/passwd && ln -s ${dir}/group /etc/group`,
    `ln -s ${UP}${dir}/passwd /etc/passwd`,
    'ln -s /dev/zero /etc/passwd',
    'ln -s /proc/self/mem /etc/passwd',
    'ln -s /proc/self/fd/0 /etc/passwd',
    'mkfifo /etc/passwd',
    'mkdir /etc/passwd',
    'ln -s passwd /etc/passwd',
    // Longer than anything reads, without taking the disk for it.
    'sh -c "head -c 1 /dev/zero > /etc/passwd; true" && echo',
  ]
  const ran = makes.map((make) =>
    build(mode, `FROM base\nRUN rm /etc/passwd /etc/group && ${make}\nUSER somebody\nRUN id\n`),
  )
  for (const { code, stderr } of ran) {
    assert.notEqual(code, 0)
    assert.match(stderr, /unable to find user somebody|somebody/)
  }
  assertUntouched(...ran)
})

attackInModes('CVE-2025-4953', 'what a step writes to a mount reaches neither the context nor the image', (_, mode) => {
  const context = writeContext(cli, {
    Dockerfile: `FROM base AS other
RUN mkdir /o && echo theirs > /o/f
FROM base
RUN --mount=type=bind,target=/ctx,rw --mount=type=bind,from=other,source=/o,target=/o,rw sh -c 'echo evil > /ctx/f; rm -rf /ctx/d; ln -s /etc /ctx/new; echo evil > /o/f; cat /ctx/f /o/f > /saw'
RUN --mount=type=bind,target=/ctx --mount=type=bind,from=other,source=/o,target=/o sh -c 'cat /ctx/f /o/f > /then; ls -d /ctx/d >> /then; ! touch /ctx/x'
COPY f /copied
`,
    f: 'mine\n',
    'd/g': 'g',
  })
  cli.build(context, ['-t', `rw-${mode}`, '--userns', mode])
  assert.equal(
    cli.ok(['run', '--rm', '--userns', mode, `rw-${mode}`, 'cat', '/saw', '/then', '/copied']),
    'evil\nevil\nmine\ntheirs\n/ctx/d\nmine\n',
  )
  assert.deepEqual(readdirSync(context).sort(), ['Dockerfile', 'd', 'f'])
  assert.equal(readFileSync(join(context, 'f'), 'utf8'), 'mine\n')
})

attackInModes('CVE-2022-29162', 'no process has a capability that a program inherits', (_, mode) => {
  const none = /^Cap(Inh|Amb):\t0{16}\nCap(Inh|Amb):\t0{16}\n$/
  const grep = ['grep', '-E', '^Cap(Inh|Amb)', '/proc/self/status']
  assert.match(cli.ok(['run', '--rm', '--userns', mode, 'base', ...grep]), none)
  assert.match(cli.ok(['run', '--rm', '--userns', mode, '--privileged', 'base', ...grep]), none)
  const name = `caps-${mode}`
  cli.ok(['run', '-d', '--name', name, '--userns', mode, 'base', 'sleep', '100'])
  assert.match(cli.ok(['exec', name, ...grep]), none)
  assert.match(cli.ok(['exec', '--privileged', name, ...grep]), none)
  cli.ok(['rm', '-f', name])
  const { log } = cli.build(
    writeContext(cli, { Dockerfile: `FROM base\nRUN ${grep.join(' ').replace(/(\^\S+)/, "'$1'")}\n` }),
    [...['--userns', mode, '--no-cache']],
  )
  assert.equal(log.match(/Cap(Inh|Amb):\t0{16}$/gm)?.length, 2, log)
})

attackInModes('local output', 'links of an image, and of the folder that it goes to, are not followed', (_, mode) => {
  const { dir, assertUntouched } = makeCanary(cli)
  const out = join(writeContext(cli, {}), 'out')
  mkdirSync(out)
  const links = { 'd/l': { link: dir }, 'd/sub': { link: dir }, 'd/file': { link: join(dir, 'file') } }
  const first = build(mode, 'FROM scratch\nCOPY d/ /\n', links, '--output', out)
  assert.equal(first.code, 0, first.stderr)
  assert.equal(readlinkSync(join(out, 'l')), dir, 'a link is written as one')
  writeFileSync(join(out, 'kept'), 'kept')
  const second = 'FROM scratch\nCOPY f /l/file\nCOPY f /l/new\nCOPY f /sub/x\nCOPY f /file\n'
  const ran = build(mode, second, { f: 'mine' }, '--output', out)
  assert.equal(ran.code, 0, ran.stderr)
  assertUntouched(first, ran)
  assert.equal(readFileSync(join(out, 'l/file'), 'utf8'), 'mine')
})

if (HAS_SUBIDS)
  attack('forged devices', 'a user of a step makes no device of a file of his', async (t) => {
    const image = makeEvil(t, cli, 'subid')
    if (!image) return
    const Dockerfile = `FROM ${image}\nRUN mkdir -m 777 /w\nUSER 1000\nRUN echo -n > /w/f; /attack mark /w/f\n`
    cli.build(writeContext(cli, { Dockerfile }), ['-t', 'forged', '--userns', 'subid'])
    assert.equal(ownerOf(await savedImage(cli, 'forged'), 'w/f'), 'file 644 1000:0')
  })
