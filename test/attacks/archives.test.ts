/** Archives and configurations of images that were made to be misread. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before } from 'node:test'
import { attack, type Canary, makeCanary } from '../helpers/attack.js'
import { makeBase, type Ran, sharedCli, writeContext } from '../helpers/cli.js'
import { type SimpleEntry, tarOf } from '../helpers/layers.js'

const cli = sharedCli()
before(() => makeBase(cli))

const UP = '../'.repeat(14)
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

/** A `docker save` archive of one layer. `more` replaces or adds files of it. */
function archive(config: unknown, layer: Uint8Array, more: readonly SimpleEntry[] = [], manifest: object = {}): string {
  const text = JSON.stringify(config)
  const files: SimpleEntry[] = [
    {
      path: 'manifest.json',
      content: JSON.stringify([{ Config: 'c.json', RepoTags: ['evil:latest'], Layers: ['l.tar'], ...manifest }]),
    },
    { path: 'c.json', content: text },
    { path: 'l.tar', content: layer },
  ].filter((f) => !more.some((m) => m.path === f.path))
  const path = join(writeContext(cli, {}), 'evil.tar')
  writeFileSync(path, tarOf([...files, ...more]))
  return path
}

function configOf(config: object, layer: Uint8Array, more: object = {}): object {
  return {
    architecture: process.arch === 'arm64' ? 'arm64' : 'amd64',
    os: 'linux',
    config,
    rootfs: { type: 'layers', diff_ids: [`sha256:${sha256(layer)}`] },
    ...more,
  }
}

/** All that can be done with an image; whether each works is not the question. */
function useImage(): Ran[] {
  return [
    cli.run(['inspect', 'evil']),
    cli.run(['history', 'evil']),
    cli.run(['run', '--rm', 'evil']),
    cli.run(['build', '--progress', 'plain', writeContext(cli, { Dockerfile: 'FROM evil\nRUN true\nWORKDIR x\n' })]),
    cli.run(['images']),
  ]
}

function judge({ assertUntouched }: Canary, ran: readonly Ran[]): void {
  assertUntouched(...ran)
  for (const { stdout, stderr, signal } of ran) {
    assert.equal(signal, null, 'it ended by itself')
    assert.doesNotMatch(stdout + stderr, /\u001b|\u0007|\u009b/, 'the terminal is not written to')
    assert.doesNotMatch(stderr, /^ {4}at .*\(/m, 'no stack')
  }
  assert.deepEqual(cli.leftovers(), [])
}

/** What a config says; `$C` is the canary's folder. */
const configs: Record<string, (dir: string) => object> = {
  'Env with NUL': () => ({ Env: ['A=\u0000B=1', 'PATH=/bin\u0000'] }),
  'Env with newlines and no names': () => ({ Env: ['=x', '', 'A', 'B\nC=1', 'D=\nE=2', '\u001b[2J=1'] }),
  'Env that is no list': () => ({ Env: { A: 'b' } }),
  'WorkingDir that climbs': (dir) => ({ WorkingDir: `${UP}${dir}/new` }),
  'WorkingDir with NUL': (dir) => ({ WorkingDir: `/w\u0000/../${dir}` }),
  'WorkingDir of /proc': () => ({ WorkingDir: '/proc/1/fd/3/../../../..' }),
  'WorkingDir with newline': () => ({ WorkingDir: '/w\n/x\u001b]0;title\u0007' }),
  'WorkingDir that is no text': () => ({ WorkingDir: ['/w'] }),
  'Volumes that climb': (dir) => ({ Volumes: { [`${UP}${dir}`]: {}, [`/v/${UP}${dir}/new`]: {}, rel: {}, '/': {} } }),
  'Volumes with NUL, colons and commas': (dir) => ({
    Volumes: { '/v\u0000x': {}, [`${dir}:/v:rshared`]: {}, '/a,b': {} },
  }),
  'Volumes over what tsbox mounts': () => ({ Volumes: { '/proc': {}, '/sys': {}, '/dev': {}, '/etc/hosts': {} } }),
  'User with newline': () => ({ User: '0\nroot:x:0:0::/:/bin/sh' }),
  'User with NUL': () => ({ User: 'root\u0000:0' }),
  'User that is a path': (dir) => ({ User: `${UP}${dir}/passwd:0` }),
  'User beyond all ids': () => ({ User: '4294967296:-1' }),
  'Entrypoint with NUL and escapes': () => ({ Entrypoint: ['/bin/sh\u0000', '-c'], Cmd: ['\u001b[31m'] }),
  'Entrypoint on /proc': (dir) => ({ Entrypoint: [`/proc/1/fd/3/${UP}${dir}/file`] }),
  'Labels with escapes': () => ({ Labels: { '\u001b[2J': '\u001b]0;x\u0007', __proto__: 'x', constructor: 'y' } }),
  'StopSignal and ports that are none': () => ({ StopSignal: '99999; rm', ExposedPorts: { '\u001b[1m/x': {} } }),
  'Shell and OnBuild of its own': (dir) => ({
    Shell: [`${dir}/file`],
    OnBuild: [`COPY ${UP}${dir}/secret /`, 'RUN \u0000'],
  }),
}
for (const [what, config] of Object.entries(configs))
  attack('image configuration', what, () => {
    const canary = makeCanary(cli)
    const layer = tarOf([{ path: 'f', content: 'x' }])
    const loaded = cli.run(['load', '-i', archive(configOf(config(canary.dir), layer), layer)])
    judge(canary, [loaded, ...useImage()])
  })

attack('image configuration', 'history, author and dates with escapes', () => {
  const canary = makeCanary(cli)
  const layer = tarOf([{ path: 'f', content: 'x' }])
  const esc = '\u001b[2J\u001b]52;c;eA==\u0007\u009b31m\r\n#1 DONE'
  const more = { author: esc, created: esc, history: [{ created_by: esc, comment: esc, created: esc, author: esc }] }
  judge(canary, [cli.run(['load', '-i', archive(configOf({}, layer, more), layer)]), ...useImage()])
})

/** Layers; `load` and `import` of them, then all uses. */
const layers: Record<string, (dir: string) => SimpleEntry[]> = {
  'names that climb, or are absolute': (dir) => [
    { path: `${UP}${dir}/new`, content: 'x' },
    { path: `a/${UP}${dir}/file`, content: 'x' },
    { path: `${dir}/abs`, content: 'x' },
  ],
  'names with newlines and escapes': () => [
    { path: 'a\nb', content: 'x' },
    { path: '\u001b[2J', content: 'x' },
    { path: '.', type: 'file', content: 'x' },
    { path: '..', type: 'dir' },
  ],
  'whiteouts that climb': (dir) => [
    { path: `l`, type: 'symlink', link: dir },
    { path: 'l/.wh.file', content: '' },
    { path: 'l/.wh..wh..opq', content: '' },
    { path: '.wh...', content: '' },
    { path: 'a/.wh.', content: '' },
    { path: 'a/.wh...', content: '' },
    { path: '.wh.l/.wh.file', content: '' },
  ],
  'a folder that turns into a link': (dir) => [
    { path: 'd', type: 'dir' },
    { path: 'd', type: 'symlink', link: dir },
    { path: 'd/file', content: 'x' },
    { path: 'd/sub', type: 'dir', mode: 0o777 },
    { path: 'd', type: 'dir', mode: 0o777 },
  ],
  'hard links to links and to the host': (dir) => [
    { path: 'l', type: 'symlink', link: `${dir}/secret` },
    { path: 'h', type: 'hardlink', link: 'l' },
    { path: 'h', content: 'written through' },
    { path: 'h2', type: 'hardlink', link: `${UP}${dir}/secret` },
    { path: 'h3', type: 'hardlink', link: `/proc/self/fd/0` },
  ],
  'attributes that mean something to overlayfs and to tsbox': (dir) => [
    {
      path: 'd',
      type: 'dir',
      xattrs: [
        ['user.overlay.redirect', dir],
        ['user.overlay.opaque', 'y'],
        ['trusted.overlay.redirect', dir],
        ['user.overlay.metacopy', ''],
        ['user.overlay.origin', 'x'],
        ['user.rootlesscontainers', '\u0008\u00ff'],
        ['user.tsbox.device', 'b:8:0'],
      ].map(([name, value]) => [name!, new TextEncoder().encode(value!)] as const),
    },
    { path: 'd/f', content: 'x' },
  ],
  'devices of the machine': () => [
    { path: 'sda', type: 'block', mode: 0o666, major: 8, minor: 0 } as SimpleEntry,
    { path: 'mem', type: 'char', mode: 0o666, major: 1, minor: 1 } as SimpleEntry,
  ],
}
for (const [what, entries] of Object.entries(layers))
  attack('layers', what, () => {
    const canary = makeCanary(cli)
    const layer = tarOf(entries(canary.dir))
    const loaded = cli.run(['load', '-i', archive(configOf({ Cmd: ['/bin/sh'] }, layer), layer)])
    const file = join(writeContext(cli, { 'l.tar': { text: layer } }), 'l.tar')
    const uses = useImage()
    const mounted = ['run', '--rm', '--mount', 'type=image,source=evil,target=/i', 'base', 'find', '/i']
    judge(canary, [loaded, ...uses, cli.run(mounted), cli.run(['import', file, 'evil']), cli.run(mounted)])
  })

attack('archives', 'parts that are links, climb, or are said to be other than they are', () => {
  const canary = makeCanary(cli)
  const { dir } = canary
  const layer = tarOf([{ path: 'f', content: 'x' }])
  const config = configOf({}, layer)
  const link = (path: string, to: string): SimpleEntry => ({ path, type: 'symlink', link: to })
  const tries = [
    archive(config, layer, [link('c.json', `${dir}/secret`)]),
    archive(config, layer, [link('l.tar', `${UP}${dir}/secret`)]),
    archive(config, layer, [link('manifest.json', `${dir}/secret`)]),
    archive(config, layer, [], { Config: `${UP}${dir}/secret` }),
    archive(config, layer, [], { Layers: [`${dir}/secret`] }),
    archive(config, layer, [], { RepoTags: [`${UP}${dir}/new:latest`, '/x', '..', 'a/../../b:c', '\u001b[2J'] }),
    archive(config, tarOf([{ path: 'g', content: 'other' }])),
    archive({ ...config, rootfs: { type: 'layers', diff_ids: [`sha256:${UP}${dir}`] } }, layer),
    archive('a text', layer),
    archive(null, layer),
  ]
  const ran = tries.map((path) => cli.run(['load', '-i', path]))
  judge(canary, ran)
  for (const [i, { code }] of ran.entries()) assert.notEqual(code, 0, `archive ${i} is refused`)
})
