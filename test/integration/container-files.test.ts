/** Files of containers: cp both ways, diff, export, commit. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { HAS_SUBIDS, makeBase, mountsOf, requireBox, sharedCli, TSBOX as TSBOX_PATH } from '../helpers/cli.js'
import { until } from '../helpers/userns.js'

// Before the store goes, which is what comes after it here.
after(() => {
  const ids = cli.run(['ps', '-aq']).stdout.split('\n').filter(Boolean)
  if (ids.length) cli.run(['rm', '-f', ...ids])
})
const cli = sharedCli()
const host = join(cli.dir, 'host')
const TREE = [
  'mkdir -p /d/sub',
  'echo one >/d/one',
  'echo two >/d/sub/two',
  'ln -s one /d/link',
  'ln -s /d /dlink',
  'ln /d/one /d/hard',
  'chown 33:33 /d/one',
  'chmod 4750 /d/sub/two',
  'echo v >/vol/v',
].join(' && ')
const MODES = HAS_SUBIDS ? ['subid', 'single'] : ['single']
const nameOf = (mode: string, running: boolean) => `${running ? 'up' : 'down'}-${mode}`
const CASES = MODES.flatMap((mode) => [true, false].map((running) => ({ mode, running })))

before(async () => {
  makeBase(cli, ['mkdir', 'ln', 'chown', 'chmod', 'stat', 'mv', 'rm', 'touch'])
  for (const { mode, running } of CASES) {
    const volume = ['-v', `vol-${mode}-${running}:/vol`, `--userns=${mode}`, '--name', nameOf(mode, running)]
    const script = `${TREE}; touch /ready; ${running ? 'while :; do sleep 0.05; done' : ''}`
    if (cli.run(['run', ...(running ? ['-d'] : []), ...volume, 'base', 'sh', '-c', script]).code !== 0) return
    if (running) await until(() => cli.run(['exec', nameOf(mode, true), 'stat', '/ready']).code === 0)
  }
  mkdirSync(join(host, 'h/s'), { recursive: true })
  writeFileSync(join(host, 'h/f'), 'hh\n')
  writeFileSync(join(host, 'h/s/g'), 'ss\n')
  chmodSync(join(host, 'h/f'), 0o640)
  symlinkSync('f', join(host, 'h/link'))
})

/** `tsbox cp` in the host's folder. */
const cp = (...args: string[]) => cli.run(['cp', ...args], { cwd: host })
const listing = (dir: string): string[] => readdirSync(join(host, dir), { recursive: true }).map(String).sort()

for (const { mode, running } of CASES) {
  const name = nameOf(mode, running)
  const what = `${running ? 'a running' : 'a stopped'} container in ${mode} mode`
  const fresh = (file: string) => `${name}-${file}`
  test(`cp out of ${what} follows docker's rules`, async (t) => {
    if (!(await requireBox(t))) return
    const tree = ['hard', 'link', 'one', 'sub', 'sub/two']
    for (const target of ['new', 'new', 'dot', 'slash'].map(fresh)) {
      const from = target.endsWith('dot') ? `${name}:/d/.` : target.endsWith('slash') ? `${name}:dlink/` : `${name}:/d`
      assert.deepEqual(cp(from, target), { code: 0, signal: null, stdout: '', stderr: '' })
    }
    assert.deepEqual(listing(fresh('new')), [...tree, 'd', ...tree.map((p) => `d/${p}`)].sort())
    assert.deepEqual(listing(fresh('dot')), tree)
    assert.deepEqual(listing(fresh('slash')), tree)
    const two = lstatSync(join(host, fresh('new'), 'sub/two'))
    assert.deepEqual([two.mode & 0o7777, two.uid], [0o4750, process.getuid!()])
    assert.equal(readlinkSync(join(host, fresh('new'), 'link')), 'one')
    assert.equal(lstatSync(join(host, fresh('new'), 'one')).nlink, 2)
    assert.equal(cp(`${name}:/d/link`, fresh('asis')).code, 0)
    assert.equal(readlinkSync(join(host, fresh('asis'))), 'one')
    assert.equal(cp('-L', `${name}:/d/link`, fresh('followed')).code, 0)
    assert.equal(readFileSync(join(host, fresh('followed')), 'utf8'), 'one\n')
    assert.equal(cp(`${name}:/vol/v`, fresh('v')).code, 0)
    assert.equal(readFileSync(join(host, fresh('v')), 'utf8'), 'v\n')
    const fails = (...args: string[]) => cp(...args).stderr.split('\n')[0]!
    assert.match(fails(`${name}:/nope`, '.'), /Could not find the file \/nope in container/)
    assert.match(fails(`${name}:/d/one`, 'nodir/'), /no such directory/)
    assert.match(fails(`${name}:/d/one`, 'nodir/x'), /invalid output path: directory "nodir" does not exist/)
    assert.match(fails(`${name}:/d`, fresh('v')), /cannot copy directory/)
    assert.match(fails(`${name}:/d/one/`, '.'), /Could not find the file/)
  })

  test(`cp of a tar out of ${what} tells the owners of there`, async (t) => {
    if (!(await requireBox(t))) return
    const ran = spawnSync('tar', ['-tv', '--numeric-owner'], { input: rawTar(name, '/d'), encoding: 'utf8' })
    const owners = new Map(
      ran.stdout
        .trim()
        .split('\n')
        .map((l) => [l.split(/\s+/)[5], l.split(/\s+/)[1]]),
    )
    assert.deepEqual([owners.get('d/'), owners.get('d/hard'), owners.get('d/sub/two')], ['0/0', '33/33', '0/0'])
  })

  test(`cp into ${what} follows docker's rules`, async (t) => {
    if (!(await requireBox(t))) return
    for (const [from, to] of [
      ['h', '/in'],
      ['h', '/in'],
      ['h/.', '/in/dot/'],
      ['h/f', '/in/name'],
      ['h/f', '/vol/f'],
    ] as const) {
      if (to === '/in/dot/') assert.equal(cp('h/s', `${name}:/in/dot`).code, 0)
      assert.deepEqual(cp(from, `${name}:${to}`), { code: 0, signal: null, stdout: '', stderr: '' })
    }
    assert.equal(cp('-a', 'h/f', `${name}:/in/arch`).code, 0)
    assert.equal(cp('h/f', `${name}:/d/link`).code, 0)
    const tar = spawnSync('tar', ['-c', '--owner=7', '--group=8', '-C', join(host, 'h'), 's']).stdout
    assert.equal(cli.run(['cp', '-', `${name}:/in`], { input: tar }).code, 0)
    const out = fresh('back')
    assert.equal(cp(`${name}:/in`, out).code, 0)
    const own = ['f', 'link', 's', 's/g']
    const dot = ['dot', 'dot/f', 'dot/g', 'dot/link', 'dot/s', 'dot/s/g']
    assert.deepEqual(listing(out), [...own, 'arch', 'name', 'h', ...own.map((p) => `h/${p}`), ...dot].sort())
    const entries = spawnSync('tar', ['-tv', '--numeric-owner'], {
      input: rawTar(name, '/in'),
      encoding: 'utf8',
    }).stdout
    const line = (path: string) =>
      entries
        .split('\n')
        .find((l) => l.endsWith(` in/${path}`))!
        .split(/\s+/)
        .slice(0, 2)
    assert.deepEqual(line('f'), ['-rw-r-----', '0/0'])
    assert.deepEqual(line('arch'), ['-rw-r-----', `${process.getuid!()}/${process.getgid!()}`])
    assert.deepEqual(line('s/g')[1], '7/8')
    // The link was followed: what it leads to was replaced, and the link is one still.
    assert.equal(cp(`${name}:/d`, fresh('linked')).code, 0)
    assert.equal(readlinkSync(join(host, fresh('linked'), 'link')), 'one')
    assert.equal(readFileSync(join(host, fresh('linked'), 'one'), 'utf8'), 'hh\n')
    const fails = (...args: string[]) => cp(...args).stderr.split('\n')[0]!
    assert.match(fails('h/f', `${name}:/nodir/x`), /Could not find the file \/nodir in container/)
    assert.match(fails('h/f', `${name}:/nodir/`), /no such directory/)
    assert.match(fails('h', `${name}:/in/name`), /cannot copy directory/)
    assert.match(fails('nope', `${name}:/in`), /lstat .*nope: no such file or directory/)
    assert.match(cli.run(['cp', '-', `${name}:/in/name`], { input: tar }).stderr, /must be a directory/)
    mkdirSync(join(host, fresh('clash'), 's/g'), { recursive: true })
    assert.match(fails(`${fresh('clash')}/.`, `${name}:/in`), /cannot overwrite non-directory "s\/g" with directory/)
    if (running) assert.equal(cli.ok(['exec', name, 'stat', '-c', '%u %a', '/in/f']), '0 640\n')
  })

  test(`diff, export and commit of ${what}`, async (t) => {
    if (!(await requireBox(t))) return
    const before = cli.ok(['diff', name]).split('\n')
    for (const line of ['A /d', 'A /d/sub/two', 'A /dlink', 'A /ready']) assert.ok(before.includes(line), line)
    assert.ok(!before.some((l) => / \/(vol\/|proc|sys|etc)/.test(l)), before.join('\n'))
    const file = join(host, fresh('export.tar'))
    cli.ok(['export', '-o', file, name])
    const names = spawnSync('tar', ['-tf', file], { encoding: 'utf8' }).stdout.split('\n')
    assert.ok(names.includes('d/one') && names.includes('usr/') && !names.includes('vol/v'))
    const id = cli
      .ok(['commit', '-a', 'me', '-m', 'why', '-c', 'CMD ["cat","/d/sub/two"]', name, `made-${name}`])
      .trim()
    assert.match(id, /^sha256:[0-9a-f]{64}$/)
    assert.equal(cli.ok(['run', '--rm', `made-${name}`]), 'two\n')
    const image = JSON.parse(cli.ok(['inspect', `made-${name}`])) as [{ Author: string; Config: { Env: string[] } }]
    assert.equal(image[0].Author, 'me')
    assert.ok(!image[0].Config.Env.some((e) => e.startsWith('HOSTNAME=')))
    assert.match(cli.ok(['history', `made-${name}`]).split('\n')[1]!, /sh -c .* why$/)
    assert.deepEqual(mountsOf(cli.root), [])
  })
}

/** A tar may be any bytes: not through a string. */
function rawTar(name: string, path: string): Buffer {
  const file = join(host, 'raw.tar')
  const ran = spawnSync('sh', ['-c', '"$0" cp "$1" - >"$2"', TSBOX_PATH, `${name}:${path}`, file], { env: cli.env })
  assert.equal(ran.status, 0, String(ran.stderr))
  return readFileSync(file)
}

test('diff tells what is gone and what changed', async (t) => {
  if (!(await requireBox(t))) return
  cli.ok([
    'run',
    '--name',
    'changer',
    'base',
    'sh',
    '-c',
    'rm /bin/stat; echo x >>/etc/passwd; rm -r /var; mkdir /var; touch /var/new',
  ])
  const lines = cli.ok(['diff', 'changer']).trim().split('\n')
  assert.ok(lines.includes('D /usr/bin/stat') && lines.includes('C /usr/bin'), lines.join('\n'))
  assert.ok(
    lines.includes('C /etc/passwd') && lines.includes('C /var') && lines.includes('A /var/new'),
    lines.join('\n'),
  )
  assert.ok(lines.includes('D /var/tmp'), lines.join('\n'))
})

test('a path that a container changes all the time never leads out of it (CVE-2018-15664)', async (t) => {
  if (!(await requireBox(t))) return
  const secret = join(cli.dir, 'secret')
  mkdirSync(secret)
  writeFileSync(join(secret, 'file'), 'of the host\n')
  const flip = `mkdir -p /x /y/in; echo inside >/x/file; ln -s ${cli.dir} /away; mkdir -p ${secret}; echo fake >${secret}/file
    touch /ready; while :; do mv /x /z; ln -s ${secret} /x; rm /x; mv /z /x; done`
  cli.ok(['run', '-d', '--name', 'flipper', 'base', 'sh', '-c', flip])
  await until(() => cli.run(['exec', 'flipper', 'stat', '/ready']).code === 0)
  const payload = join(host, 'payload')
  writeFileSync(payload, 'from here\n')
  for (let i = 0; i < 12; i++) {
    const out = join(host, 'flipped')
    const ran = cli.run(['cp', 'flipper:/x/file', out])
    if (ran.code === 0 && existsSync(out)) assert.match(readFileSync(out, 'utf8'), /^(inside|fake|from here)\n$/)
    cli.run(['cp', payload, 'flipper:/x/file'])
  }
  assert.deepEqual(readdirSync(secret), ['file'])
  assert.equal(readFileSync(join(secret, 'file'), 'utf8'), 'of the host\n')
  assert.equal(cli.run(['cp', payload, 'flipper:/away/secret/planted']).code, 0)
  assert.deepEqual(readdirSync(secret), ['file'], 'a link to a folder of the host means the one in the container')
  assert.notEqual(cli.run(['cp', 'flipper:/proc/1/root/etc/hostname', join(host, 'x')]).code, 0)
  cli.ok(['rm', '-f', 'flipper'])
})

test('cp says what is wrong with its arguments', async (t) => {
  if (!(await requireBox(t))) return
  const name = nameOf(MODES[0]!, false)
  assert.match(cp(`${name}:/a`, `${name}:/b`).stderr, /copying between containers is not supported/)
  assert.match(cp('a', 'b').stderr, /must specify at least one container source/)
  assert.match(cp('nosuch:/a', 'b').stderr, /No such container: nosuch/)
  assert.match(cli.run(['commit', '-p', name]).stderr, /cannot honour --pause/)
  cli.ok(['create', '--name', 'locked', '--read-only', 'base', 'true'])
  assert.match(cp('h/f', 'locked:/f').stderr, /container rootfs is marked read-only/)
})
