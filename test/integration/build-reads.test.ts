/** What a build does not do: counted with strace, in the whole process and all below it. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { type Cli, openCli, TSBOX, writeContext } from '../helpers/cli.js'
import { requireProgram } from '../helpers/programs.js'
import { type FileCalls, traceTsbox } from '../helpers/strace.js'

const BIG = 4 << 20

/** A base of 4 MiB, brought in as an archive: a layer's tar and nothing else. @returns digests of its layers */
function loadBase(cli: Cli): string[] {
  const maker = cli.with({ TSBOX_ROOT: join(cli.dir, 'elsewhere') })
  const context = writeContext(cli, {
    Dockerfile: 'FROM scratch\nCOPY root /\n',
    'root/etc/passwd': 'root:x:0:0::/:/bin/sh\napp:x:1000:1001::/:/bin/sh\n',
    'root/usr/lib/big': { text: Buffer.alloc(BIG, 'big') },
    'root/srv/data/x': 'x',
    'root/lib': { link: 'usr/lib' },
  })
  maker.ok(['build', '-q', '-t', 'base', context])
  const archive = join(cli.dir, 'base.tar')
  maker.ok(['save', '-o', archive, 'base'])
  cli.ok(['load', '-q', '-i', archive])
  const [image] = JSON.parse(cli.ok(['inspect', 'base'])) as [{ RootFS: { Layers: string[] } }]
  return image.RootFS.Layers
}

function touched(calls: FileCalls, below: string): string[] {
  return [...calls.byPath.keys()].filter((path) => path === below || path.startsWith(`${below}/`))
}

test('stages of COPY neither unpack their base nor read what its files hold', (t) => {
  if (!requireProgram(t, 'strace')) return
  const cli = openCli(t)
  const layers = loadBase(cli)
  const context = writeContext(cli, {
    Dockerfile: [
      'FROM base AS one',
      'WORKDIR /srv/made',
      'COPY --chown=app a /lib/a',
      'FROM base',
      'COPY --from=one /lib/a /lib/b',
      'COPY dir /srv/data/',
      'ENV X=1',
    ].join('\n'),
    a: 'a',
    'dir/f': 'f',
  })
  const calls = traceTsbox(cli, TSBOX, ['build', '-q', '-t', 'made', context])
  assert.deepEqual(
    calls.programs.filter((p) => p.includes('helper')),
    [],
    'the helper, which alone unpacks, was not started',
  )
  assert.deepEqual(cli.names('snapshots'), [])
  const blobs = layers.map((digest) => join(cli.root, 'blobs', digest.replace(':', '/')))
  const bytes = blobs.reduce((sum, blob) => sum + (calls.readBytes.get(blob) ?? 0), 0)
  // The names of users are in a file of the base, and are read; what lists the base was made when it came in.
  assert.ok(bytes > 0 && bytes < BIG / 16, `${bytes} bytes of the base were read`)
  const [image] = JSON.parse(cli.ok(['inspect', 'made'])) as [{ RootFS: { Layers: string[] } }]
  assert.deepEqual(image.RootFS.Layers.slice(0, layers.length), layers)
})

test('a build with everything cached looks at each file of the context once and reads none', (t) => {
  if (!requireProgram(t, 'strace')) return
  const cli = openCli(t)
  loadBase(cli)
  const files = Array.from({ length: 120 }, (_, i) => [`data/d${i % 7}/f${i}`, `content ${i}\n`] as const)
  const context = writeContext(cli, {
    Dockerfile: 'FROM base\nCOPY data /data\nCOPY data/d1/f1 one* /some/\nFROM scratch\nCOPY --from=0 /data /data\n',
    ...Object.fromEntries(files),
    one: '1',
    'ignored/secret': 's',
    '.dockerignore': 'ignored\n',
  })
  const first = cli.build(context).id
  const iidfile = join(cli.dir, 'iid')
  const calls = traceTsbox(cli, TSBOX, ['build', '-q', '--iidfile', iidfile, context])
  assert.equal(cli.build(context).id, first)
  for (const name of [...files.map(([name]) => name), 'one']) {
    const path = join(context, name)
    const made = calls.byPath.get(path) ?? []
    assert.equal(made.length, 1, `${name}: ${made.join(', ')}`)
    assert.match(made[0]!, /stat/, name)
    assert.equal(calls.readBytes.get(path), undefined, name)
  }
  assert.deepEqual(touched(calls, join(context, 'ignored/secret')), [])
  assert.deepEqual(
    calls.programs.filter((p) => p.includes('helper')),
    [],
  )
})
