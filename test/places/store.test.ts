/** Places 2: what the store lies on. */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { openCli, removeMapped, requireBox, TSBOX } from '../helpers/cli.js'
import { runProgram } from '../helpers/programs.js'
import { compileRefuser, place } from './place.js'

const UNSHARE = [['unshare', 'util-linux']] as const

/** A folder in memory that goes with the tests. */
function inMemory(): string {
  const dir = mkdtempSync('/dev/shm/tsbox-test-')
  after(() => removeMapped(dir))
  return dir
}

place('a store on tmpfs', {
  env: () => ({ TSBOX_ROOT: inMemory() }),
  doctor: { store: ['info', /, in memory \(tmpfs\)/], overlay: ['ok', /./], xattr: ['ok', /./] },
})

/** Mounts an overlay at `m` of the folder, and goes on there; what is mounted goes with the namespace. */
const ON_OVERLAY = `cd "$0" && mkdir l u w m &&
  mount -t overlay -o "userxattr,lowerdir=l,upperdir=u,workdir=w" overlay m && cd / && exec "$@"`

const overlay = {
  needs: UNSHARE,
  env: (p: { dir: string }) => ({ TSBOX_ROOT: join(p.dir, 'm', 'store') }),
  doctor: {
    overlay: ['missing', /^refused \(EINVAL\): layers are copied/],
    xattr: ['ok', /./],
  },
  look: (p: { dir: string }) => noCopies(join(p.dir, 'u', 'store')),
} as const

/** A copy leaves nothing behind, and says so where overlayfs could not read the layer. */
function noCopies(store: string): void {
  const layers = ['single', 'subid'].flatMap((mode) => {
    const dir = join(store, 'snapshots', mode)
    const ids = existsSync(dir) ? readdirSync(dir).filter((name) => /^[0-9a-f]{16}$/.test(name)) : []
    return ids.map((id) => readdirSync(join(dir, id)))
  })
  assert.ok(layers.length > 1)
  assert.deepEqual(
    new Set(layers.flat().filter((n) => !['fs', 'meta.json', 'owners', 'plain-whiteouts', 'toc'].includes(n))),
    new Set(),
  )
  assert.ok(layers.some((names) => names.includes('plain-whiteouts')))
}

place('a store on overlayfs, with one id', {
  ...overlay,
  start: (p) => ['unshare', '--user', '--map-root-user', '--mount', 'sh', '-c', ON_OVERLAY, p.dir],
  mode: 'single',
})

place('a store on overlayfs, with all of the ids of a user', {
  ...overlay,
  subids: true,
  start: (p) => ['unshare', '--user', '--map-root-user', '--map-auto', '--mount', 'sh', '-c', ON_OVERLAY, p.dir],
  mode: 'subid',
})

place('no overlayfs in the kernel', {
  start: (p) => [p.refuse, 'overlay=ENODEV', '--'],
  mode: 'single',
  doctor: { overlay: ['missing', /^refused \(ENODEV\): layers are copied/] },
})

test('a container on copied layers keeps what it changed, from start to start', async (t) => {
  if (!(await requireBox(t))) return
  const cli = openCli(t)
  const refuse = compileRefuser(t, cli)
  if (!refuse) return
  cli.ok(['image', 'from-host', 'base', 'sh', 'cat', 'rm', 'stat', 'chown', 'sleep'])
  const there = (...args: string[]) => runProgram(refuse, ['overlay=EPERM', '--', TSBOX, ...args], { env: cli.env })
  const script =
    'test -e /bin/stat || echo gone; cat /kept 2>/dev/null; echo more >>/kept; chown 5:6 /kept; rm -f /bin/stat'
  assert.equal(there('run', '--name', 'copied', 'base', 'sh', '-c', script), '')
  assert.equal(there('start', '-a', 'copied'), 'gone\nmore\n')
  assert.equal(there('start', '-a', 'copied'), 'gone\nmore\nmore\n')
  // What lies in the store is the layer, and nothing but the layer.
  const [id] = cli.names('containers')
  const names = cli.names('containers', id!, 'fs').filter((n) => n !== 'bin' && n !== 'usr')
  assert.deepEqual(names, ['kept'])
  assert.ok(!cli.names('containers', id!, 'work').includes('root'))
  // Where there are overlays again, it goes on as it was.
  assert.equal(cli.ok(['start', '-a', 'copied']), 'gone\nmore\nmore\nmore\n')
})
