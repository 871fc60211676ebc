/** Caches that leave the machine: exported by one store, imported by another. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { gunzipSync, gzipSync } from 'node:zlib'
import {
  blobs,
  CacheLab,
  configOf,
  DAMAGE,
  documentOf,
  executed,
  flip,
  indexOf,
  manifestOf,
  pathOf,
  rewrite,
  warnings,
} from '../helpers/cache-folder.js'
import { type Cli, HAS_SUBIDS, requireBox, writeContext } from '../helpers/cli.js'

const lab = new CacheLab()
const { cli } = lab
const otherMachine = (t: TestContext) => lab.otherMachine(t)
const folder = () => lab.folder()
const context = (input?: string) => lab.context(input)
const exported = () => lab.exported()

test('another machine executes nothing and makes the same image, moving only its layers', async (t) => {
  if (!(await requireBox(t))) return
  const { dir, id } = exported()
  const other = otherMachine(t)
  const built = other.build(context(), ['-t', 'app', '--cache-from', `type=local,src=${dir}`])
  assert.deepEqual(executed(built.log), [])
  assert.equal(built.id, id)
  assert.deepEqual(warnings(built.log), [])
  assert.equal(other.ok(['run', '--rm', 'app', 'cat', '/app/copy']), 'tools\none\n')
  const { records, layers } = configOf(dir)
  const tools = layers[records.find((r) => r.title?.includes('echo tools'))!.layer!]!
  assert.ok(!other.names('blobs', 'sha256').includes(tools.diffID.slice(7)), 'no layer of another stage')
  // From now on the store knows it itself.
  renameSync(dir, `${dir}.away`)
  const again = other.build(context(), ['--cache-from', `type=local,src=${dir}`])
  renameSync(`${dir}.away`, dir)
  assert.match(warnings(again.log).join(), /no cache at local:/)
  assert.equal(again.id, id)
})

test('what was imported is known afterwards without the cache', async (t) => {
  if (!(await requireBox(t))) return
  const Dockerfile = `FROM base AS make\nRUN date > /out\nFROM base\nCOPY --from=make /out /out\nRUN cat /out > /copy\n`
  const dir = folder()
  const { id } = cli.build(writeContext(cli, { Dockerfile }), ['--cache-to', `type=local,dest=${dir}`])
  const other = otherMachine(t)
  other.build(writeContext(cli, { Dockerfile }), ['-t', 'app', '--cache-from', `type=local,src=${dir}`])
  rmSync(dir, { recursive: true })
  const again = other.build(writeContext(cli, { Dockerfile }))
  assert.deepEqual([executed(again.log), again.id], [[], id])
  assert.match(other.ok(['builder', 'du', '--verbose']), /^Description: .*\(imported from local:.*\)$/m)
})

test('cacheonly moves no layer at all', async (t) => {
  if (!(await requireBox(t))) return
  const other = otherMachine(t)
  const layers = new Set(configOf(exported().dir).layers.map((l) => l.diffID.slice(7)))
  const { log } = other.build(context(), ['-o', 'type=cacheonly', '--cache-from', `type=local,src=${exported().dir}`])
  assert.deepEqual(executed(log), [])
  // The context's own file is read, and so written; no other.
  const there = other.names('blobs', 'sha256').filter((hex) => layers.has(hex))
  assert.ok(there.length <= 1, `${there.length} layers`)
})

test('a changed step runs again, and what follows it', async (t) => {
  if (!(await requireBox(t))) return
  const other = otherMachine(t)
  const { log } = other.build(context('two\n'), ['-t', 'app', '--cache-from', `type=local,src=${exported().dir}`])
  assert.deepEqual(executed(log).filter((s) => s.startsWith('RUN')).length, 2, log)
  assert.ok(!executed(log).some((s) => s.includes('echo tools')), log)
  assert.equal(other.ok(['run', '--rm', 'app', 'cat', '/app/copy']), 'tools\ntwo\n')
})

test('min has the layers of the result and no others', async (t) => {
  if (!(await requireBox(t))) return
  const dir = folder()
  cli.build(context(), ['--cache-to', `type=local,dest=${dir}`])
  assert.equal(configOf(dir).layers.length, 3)
  assert.ok(!configOf(dir).records.some((r) => r.title?.includes('echo tools')))
  assert.ok(configOf(dir).layers.length < configOf(exported().dir).layers.length)
})

test('min leads through stages whose layers it has not, also where they copy from the context', async (t) => {
  if (!(await requireBox(t))) return
  const Dockerfile = `FROM base AS deps
RUN echo deps > /deps
FROM deps AS make
WORKDIR /src
COPY --chown=7 in* ./
ADD data /data
COPY --from=deps /deps here
COPY <<end text
inline
end
RUN cat in1 here text /data/f > /tool
FROM base
COPY --from=make /tool /tool
RUN cat /tool > /seen
`
  const made = (files: object = {}) =>
    writeContext(cli, { Dockerfile, in1: 'one\n', in2: 'two\n', 'data/f': 'data\n', ...files })
  const dir = folder()
  const { id } = cli.build(made(), ['--cache-to', `type=local,dest=${dir}`])
  assert.equal(configOf(dir).layers.length, 2)
  const from = ['--cache-from', `type=local,src=${dir}`]
  const other = otherMachine(t)
  const same = made()
  const built = other.build(same, from)
  assert.deepEqual([executed(built.log), built.id], [[], id])
  // Known here now, without the cache.
  assert.deepEqual(executed(other.build(same).log), [])
  const changed: [object, string][] = [
    [{ 'data/f': 'changed\n' }, 'deps\ninline\nchanged\n'],
    [{ in1: { text: 'one\n', mode: 0o755 } }, 'deps\ninline\ndata\n'],
    [{ in3: 'three' }, 'deps\ninline\ndata\n'],
  ]
  for (const [files, seen] of changed) {
    const third = otherMachine(t)
    const again = third.build(made(files), [...from, '-t', 'made'])
    assert.equal(executed(again.log).filter((s) => s.includes('cat in1')).length, 1, again.log)
    assert.equal(third.ok(['run', '--rm', 'made', 'cat', '/seen']), `one\n${seen}`)
  }
})

// All ways are tried in the long tests.
for (const damage of DAMAGE.filter(([what]) => /other bytes$|that are others|no blobs/.test(what)))
  test(`a cache with ${damage[0]} is one warning and a build without it`, async (t) => {
    if (await requireBox(t)) lab.checkDamage(t, damage)
  })

test('a blob that is whole but for its digest is not used', async (t) => {
  if (!(await requireBox(t))) return
  const dir = folder()
  cpSync(exported().dir, dir, { recursive: true })
  for (const { digest, mediaType } of manifestOf(dir).layers) {
    if (!mediaType.endsWith('tar+gzip')) continue
    // The time in a gzip header says nothing of what is in it.
    const bytes = readFileSync(pathOf(dir, digest))
    bytes[4] = 1
    writeFileSync(pathOf(dir, digest), bytes)
  }
  const { log } = otherMachine(t).build(context(), ['--cache-from', `type=local,src=${dir}`])
  assert.match(warnings(log).join(), /its content has another digest: building without it/)
})

// Where there is one mode, there is no other.
if (HAS_SUBIDS)
  test('a cache of one id mode serves the other, owners and all', async (t) => {
    if (!(await requireBox(t))) return
    const mount = '--mount=type=cache,id=m,target=/m,uid=5,gid=6,mode=0750'
    const Dockerfile = `FROM base
RUN ${mount} echo x > /m/f && chown 7:8 /m/f && echo y > /own && chown 9:10 /own
RUN stat -c '%u:%g' /own > /seen
`
    const look = 'stat -c "%n %u:%g %a" /m /m/f /own && cat /seen'
    const second = `FROM base\nRUN ${mount} ${look}\n`
    for (const [from, to] of [
      ['subid', 'single'],
      ['single', 'subid'],
    ] as const) {
      const dir = folder()
      const first = otherMachine(t)
      const cache = `type=local,dest=${dir},mode=max`
      const { id } = first.build(writeContext(cli, { Dockerfile }), ['--userns', from, '--cache-to', cache])
      const other = otherMachine(t)
      const built = other.build(writeContext(cli, { Dockerfile }), [
        '--userns',
        to,
        '--cache-from',
        `type=local,src=${dir}`,
      ])
      assert.deepEqual(executed(built.log), [], `${from} to ${to}`)
      assert.equal(built.id, id)
      const image = `FROM ${id.slice(7)}\n${second.slice(second.indexOf('\n') + 1)}`
      const seen = other.build(writeContext(cli, { Dockerfile: image }), [
        ...['--userns', to, '--cache-from', `type=local,src=${dir}`],
      ])
      for (const line of ['/m 5:6 750', '/m/f 7:8 644', '/own 9:10 644', '9:10'])
        assert.match(seen.log, new RegExp(`^#\\d+ [\\d.]+ ${line}$`, 'm'), `${from} to ${to}: ${line}`)
    }
  })

const mounting = (command: string) => `FROM base\nRUN --mount=type=cache,id=Pkg/Cache,target=/m ${command}\n`

test('cache mounts travel with a cache, and survive a build that had no use for them', async (t) => {
  if (!(await requireBox(t))) return
  const dir = folder()
  const fill = writeContext(cli, { Dockerfile: mounting('echo kept > /m/f && ln -s f /m/link && ln /m/f /m/hard') })
  const to = `type=local,dest=${dir},mode=max`
  cli.build(fill, ['--cache-to', to])
  assert.deepEqual(
    configOf(dir).mounts.map((m) => m.id),
    ['Pkg/Cache'],
  )
  const other = otherMachine(t)
  const from = `type=local,src=${dir}`
  assert.deepEqual(executed(other.build(fill, ['--cache-from', from, '--cache-to', to]).log), [])
  assert.equal(configOf(dir).mounts.length, 1, 'a build of cached steps keeps the mount')
  const use = writeContext(cli, { Dockerfile: mounting('cat /m/f /m/link /m/hard > /seen; echo more >> /m/f') })
  other.build(use, ['-t', 'app', '--cache-from', from])
  assert.equal(other.ok(['run', '--rm', 'app', 'cat', '/seen']), 'kept\nkept\nkept\n')
  // It is not empty any more: what is here counts.
  const later = writeContext(cli, { Dockerfile: mounting('cat /m/f > /later') })
  other.build(later, ['-t', 'app', '--cache-from', from])
  assert.equal(other.ok(['run', '--rm', 'app', 'cat', '/later']), 'kept\nmore\n')
})

test('cache mounts are left out on request, by id, and where they are too large', async (t) => {
  if (!(await requireBox(t))) return
  const Dockerfile = `FROM base
RUN --mount=type=cache,id=a,target=/a --mount=type=cache,id=b,target=/b echo x > /a/f && head -c 100000 /dev/zero > /b/f
`
  const dir = folder()
  const exportWith = (more: string) => {
    const { log } = cli.build(writeContext(cli, { Dockerfile }), [
      '--cache-to',
      `type=local,dest=${dir},mode=max${more}`,
    ])
    return {
      log,
      ids: configOf(dir)
        .mounts.map((m) => m.id)
        .sort(),
    }
  }
  assert.deepEqual(exportWith('').ids, ['a', 'b'])
  assert.deepEqual(exportWith(',mounts=b').ids, ['b'])
  const before = blobs(dir).length
  assert.deepEqual(exportWith(',mounts=false').ids, [])
  assert.ok(blobs(dir).length < before, 'what nothing refers to is gone')
  const small = exportWith(',mounts=a,b,mounts-limit=50k')
  assert.deepEqual(small.ids, ['a'])
  assert.match(small.log, /cache mount b left out: it is larger than 51200 bytes/)
})

test('a cache mount that was filled from an image is known by what it was filled with', async (t) => {
  if (!(await requireBox(t))) return
  const text = (seed: string, command: string) => `FROM base AS seed
RUN mkdir /seed && echo ${seed} > /seed/from
FROM base
RUN --mount=type=cache,id=s,target=/m,from=seed,source=/seed ${command}
`
  const dir = folder()
  const first = writeContext(cli, { Dockerfile: text('one', 'echo kept > /m/f') })
  cli.build(first, ['--cache-to', `type=local,dest=${dir},mode=max`])
  const seen = (seed: string) => {
    const other = otherMachine(t)
    const use = writeContext(cli, { Dockerfile: text(seed, 'ls /m > /seen; cat /m/* >> /seen') })
    other.build(use, ['-t', 'app', '--cache-from', `type=local,src=${dir}`])
    return other.ok(['run', '--rm', 'app', 'cat', '/seen'])
  }
  assert.equal(seen('one'), 'f\nfrom\nkept\none\n')
  assert.equal(seen('two'), 'from\ntwo\n')
})

test('two exports into one folder at once both count', async (t) => {
  if (!(await requireBox(t))) return
  const dir = folder()
  const running = ['a', 'b'].map((tag) => {
    const Dockerfile = `FROM base\nRUN head -c 3000000 /dev/urandom > /${tag}\n`
    const to = `type=local,dest=${dir},tag=${tag}`
    return cli.start(['build', '--progress', 'plain', '--cache-to', to, writeContext(cli, { Dockerfile })])
  })
  for (const { ended } of running) assert.equal((await ended).code, 0)
  assert.equal(indexOf(dir).manifests.length, 2)
  for (const { digest } of indexOf(dir).manifests)
    for (const layer of documentOf<{ layers: { digest: string }[] }>(dir, digest).layers)
      assert.ok(existsSync(pathOf(dir, layer.digest)))
})

test('layers and cache mounts that would write elsewhere are not unpacked', async (t) => {
  if (!(await requireBox(t))) return
  const Dockerfile = mounting('ls -A /m > /seen')
  const dir = folder()
  cli.build(writeContext(cli, { Dockerfile }), ['--cache-to', `type=local,dest=${dir},mode=max`])
  const files = writeContext(cli, { f: 'hostile' })
  const tar = execFileSync('tar', ['-cPC', files, '--transform', 's,^f,../../../../escaped,', 'f'])
  const blob = { digest: `sha256:${createHash('sha256').update(tar).digest('hex')}`, size: tar.length }
  rewrite(dir, ({ layers, mounts }, manifest) => {
    writeFileSync(pathOf(dir, blob.digest), tar)
    manifest.layers.push({ ...blob, mediaType: 'application/vnd.oci.image.layer.v1.tar' })
    for (const lie of [...layers, ...mounts])
      Object.assign(lie, { digest: blob.digest, diffID: blob.digest, tarSize: blob.size })
  })
  const other = otherMachine(t)
  const { log } = other.build(writeContext(cli, { Dockerfile }), ['-t', 'app', '--cache-from', `type=local,src=${dir}`])
  assert.match(warnings(log).join(), /is damaged: read tar: .*: building without it/)
  assert.equal(other.ok(['run', '--rm', 'app', 'cat', '/seen']), '')
  const use = writeContext(cli, { Dockerfile: mounting('ls -A /m > /other') })
  const again = otherMachine(t).build(use, ['--cache-from', `type=local,src=${dir}`])
  assert.match(again.log, /warning: cache mount "Pkg\/Cache" was not imported: read tar: /)
  assert.deepEqual(
    readdirSync(other.dir).filter((n) => n.includes('escaped')),
    [],
  )
})

test('a table of contents that lies is found out when its layer is read', async (t) => {
  if (!(await requireBox(t))) return
  const dir = folder()
  cpSync(exported().dir, dir, { recursive: true })
  // The step on top changes: it needs the files of a layer that until then was only listed.
  rewrite(dir, ({ layers }, manifest) => {
    const lie = layers.find((l) => l.toc !== undefined)!
    const path = (digest: string) => pathOf(dir, digest)
    const toc = gunzipSync(readFileSync(path(lie.toc!)))
    toc[32 + 8] = toc[32 + 8]! ^ 1
    const bytes = gzipSync(toc)
    const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`
    writeFileSync(path(digest), bytes)
    Object.assign(manifest.layers.find((l) => l.digest === lie.toc)!, { digest, size: bytes.length })
    lie.toc = digest
  })
  const other = otherMachine(t)
  const { log } = other.build(context('other\n'), ['-t', 'app', '--cache-from', `type=local,src=${dir}`])
  assert.match(warnings(log).join(), /is damaged: read cache: the table of contents is not that of layer/)
  assert.equal(other.ok(['run', '--rm', 'app', 'cat', '/app/copy']), 'tools\nother\n')
})

test('a damaged cache mount starts empty', async (t) => {
  if (!(await requireBox(t))) return
  const dir = folder()
  cli.build(writeContext(cli, { Dockerfile: mounting('echo kept > /m/f') }), [
    '--cache-to',
    `type=local,dest=${dir},mode=max`,
  ])
  flip(dir, configOf(dir).mounts[0]!.digest)
  const other = otherMachine(t)
  const use = writeContext(cli, { Dockerfile: mounting('ls -A /m > /seen') })
  const { log } = other.build(use, ['-t', 'app', '--cache-from', `type=local,src=${dir}`])
  assert.match(warnings(log).join(), /cannot use cache mount "Pkg\/Cache"/)
  assert.equal(other.ok(['run', '--rm', 'app', 'cat', '/seen']), '')
})

test('exporting again writes nothing anew, drops what is not referred to, and mends what was damaged', async (t) => {
  if (!(await requireBox(t))) return
  const dir = folder()
  const to = `type=local,dest=${dir},mode=max`
  cli.build(context(), ['--cache-to', to])
  const [index, first] = [readFileSync(join(dir, 'index.json'), 'utf8'), blobs(dir)]
  const again = cli.build(context(), ['--cache-to', to])
  assert.doesNotMatch(again.log, /writing layer/)
  assert.equal(readFileSync(join(dir, 'index.json'), 'utf8'), index)
  assert.deepEqual(blobs(dir), first)
  const layer = configOf(dir).layers[0]!.digest
  const whole = readFileSync(pathOf(dir, layer))
  flip(dir, layer)
  cli.build(context(), ['--cache-to', to])
  assert.deepEqual(readFileSync(pathOf(dir, layer)), whole)
  cli.build(context('three\n'), ['--cache-to', to])
  const now = blobs(dir)
  assert.ok(first.some((b) => !now.includes(b)) && now.length === first.length)
  // Another tag beside it keeps what both have.
  cli.build(context(), ['--cache-to', `${to},tag=other`])
  assert.equal(indexOf(dir).manifests.length, 2)
  const other = otherMachine(t)
  const { log } = other.build(context('three\n'), ['--cache-from', `type=local,src=${dir},tag=latest`])
  assert.deepEqual(executed(log), [])
})

for (const compression of ['uncompressed', 'zstd', 'gzip,compression-level=1'])
  test(`layers of a cache may be packed: ${compression}`, async (t) => {
    if (!(await requireBox(t))) return
    const dir = folder()
    cli.build(context(), ['--cache-to', `type=local,dest=${dir},mode=max,compression=${compression}`])
    const other = otherMachine(t)
    const built = other.build(context(), ['--cache-from', `type=local,src=${dir}`])
    assert.deepEqual([executed(built.log), warnings(built.log), built.id], [[], [], exported().id])
  })

test('an export that fails is a warning; the build fails only where that is asked for', async (t) => {
  if (!(await requireBox(t))) return
  const dir = join(folder(), '..')
  writeFileSync(join(dir, 'mine'), 'keep')
  const { log } = cli.build(context(), ['--cache-to', `type=local,dest=${dir}`])
  assert.equal(warnings(log).length, 1, log)
  const strict = cli.run(['build', '--cache-to', `type=local,dest=${dir},ignore-error=false`, context()])
  assert.equal(strict.code, 1)
  assert.match(strict.stderr, /it holds other things/)
  assert.deepEqual(readdirSync(dir), ['mine'])
  const linked = folder()
  mkdirSync(linked)
  mkdirSync(`${linked}.else`)
  symlinkSync(`${linked}.else`, join(linked, 'blobs'))
  writeFileSync(join(linked, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}')
  assert.equal(warnings(cli.build(context(), ['--cache-to', `type=local,dest=${linked}`]).log).length, 1)
  assert.deepEqual(readdirSync(`${linked}.else`), [], 'no link is followed')
})

test('an export that is killed leaves the cache that was there', async (t) => {
  if (!(await requireBox(t))) return
  const dir = folder()
  const to = `type=local,dest=${dir},mode=max`
  cli.build(context(), ['--cache-to', to])
  const index = readFileSync(join(dir, 'index.json'), 'utf8')
  const Dockerfile = 'FROM base\nRUN head -c 60000000 /dev/urandom > /big\n'
  const running = cli.start(['build', '--progress', 'plain', '--cache-to', to, writeContext(cli, { Dockerfile })])
  await running.until(/preparing build cache/)
  running.child.kill('SIGKILL')
  await running.ended
  assert.equal(readFileSync(join(dir, 'index.json'), 'utf8'), index)
  const other = otherMachine(t)
  assert.deepEqual(executed(other.build(context(), ['--cache-from', `type=local,src=${dir}`]).log), [])
  cli.build(context(), ['--cache-to', to])
  assert.deepEqual(readdirSync(dir).sort(), ['blobs', 'index.json', 'oci-layout'])
})

test('an image with an inline cache is one, from the store, a layout and an archive', async (t) => {
  if (!(await requireBox(t))) return
  const Dockerfile = `FROM base AS make\nCOPY in.txt /in\nFROM base\nWORKDIR /w\nCOPY --from=make /in /w/in\nRUN cat /w/in > /w/out\n`
  const files = { Dockerfile, 'in.txt': 'inline\n' }
  const dir = folder()
  const tar = join(cli.dir, 'inline.tar')
  const { id } = cli.build(writeContext(cli, files), ['-t', 'inline', '--cache-to', 'type=inline'])
  cli.ok(['save', '-o', tar, 'inline'])
  cli.build(writeContext(cli, files), [
    '-t',
    'inline',
    '--cache-to',
    'type=inline',
    '-o',
    `type=oci,tar=false,dest=${dir}`,
  ])
  const sources: [from: string, prepare: (other: Cli) => void][] = [
    ['inline', (other) => other.ok(['load', '-i', tar])],
    [`type=inline,src=${tar}`, () => {}],
    [`type=local,src=${dir}`, () => {}],
  ]
  for (const [from, prepare] of sources) {
    const other = otherMachine(t)
    prepare(other)
    const built = other.build(writeContext(cli, files), [
      '-t',
      'new',
      '--cache-to',
      'type=inline',
      '--cache-from',
      from,
    ])
    // What the other stage copies is read to know the key of what follows.
    assert.deepEqual(executed(built.log), ['COPY in.txt /in'], `${from}\n${built.log}`)
    assert.equal(built.id, id, from)
    assert.equal(other.ok(['run', '--rm', 'new', 'cat', '/w/out']), 'inline\n')
  }
  const other = otherMachine(t)
  const { log } = other.build(writeContext(cli, files), ['--cache-from', 'base', '--cache-from', 'nothing:here'])
  assert.equal(warnings(log).length, 2, log)
})

test('with SOURCE_DATE_EPOCH two machines write the same cache', async (t) => {
  if (!(await requireBox(t))) return
  const env = { SOURCE_DATE_EPOCH: '1700000000' }
  const dirs = [folder(), folder()]
  const Dockerfile = 'FROM base\nRUN echo x > /x && touch -d @1600000000 /x\n'
  for (const dir of dirs)
    otherMachine(t).build(writeContext(cli, { Dockerfile }), ['--cache-to', `type=local,dest=${dir},mode=max`], { env })
  assert.deepEqual(blobs(dirs[0]!), blobs(dirs[1]!))
})

test('an imported cache of other stages is exported again without being fetched', async (t) => {
  if (!(await requireBox(t))) return
  const dir = folder()
  const other = otherMachine(t)
  other.build(context(), [
    '--cache-from',
    `type=local,src=${exported().dir}`,
    '--cache-to',
    `type=local,dest=${dir},mode=max`,
  ])
  assert.deepEqual(
    configOf(dir).layers.map((l) => l.diffID),
    configOf(exported().dir).layers.map((l) => l.diffID),
  )
  assert.ok(existsSync(join(dir, 'oci-layout')))
})
