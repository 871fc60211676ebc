import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { TsboxError } from '../../src/base/error.js'
import { collectGarbage } from '../../src/store/gc.js'
import { Store } from '../../src/store/store.js'
import { putLayer } from '../helpers/store.js'
import { tempDir } from '../helpers/temp.js'

// The part on a small disk is this file again, in a namespace with a tmpfs.
const disk = process.env.TSBOX_TEST_DISK
if (disk) {
  fillDisk(join(disk, 'store')).catch((err: unknown) => {
    process.stderr.write(`${(err as Error).stack}\n`)
    process.exit(1)
  })
} else defineTests()

function codeOf(task: () => unknown): string {
  try {
    task()
    return 'none'
  } catch (err) {
    return err instanceof TsboxError ? `${err.code} ${err.hint?.includes('--root')}` : String(err)
  }
}

/** Writes too much in every way there is; says what happened and what is left. */
async function fillDisk(root: string): Promise<void> {
  const store = Store.open(root)
  const lease = store.lease()
  const small = store.blobs.put(Buffer.from('small'), lease)
  const content = Buffer.alloc(4 << 20, 7)
  const codes = [
    codeOf(() => store.blobs.put(content, lease)),
    codeOf(() => putLayer(store, lease, [{ path: 'big', content }])),
    codeOf(() => store.cache.put('k', { key: 'x'.repeat(4 << 20), created: 1 }, lease)),
  ]
  const left = readdirSync(join(root, 'tmp', lease.name))
  lease.close()
  const after = store.lease()
  const kept = store.blobs.read(small.digest).toString()
  await collectGarbage(store, after, { dropCache: true })
  after.close()
  process.stdout.write(JSON.stringify({ codes, left, kept, blobs: store.blobs.has(small.digest) }))
}

function defineTests(): void {
  test('a full disk is one clear error, and nothing is left of what was written', (t) => {
    const dir = tempDir(t)
    const script = 'mount -t tmpfs -o size=1m none "$1" && TSBOX_TEST_DISK="$1" NODE_TEST_CONTEXT= exec "$2" "$3"'
    const run = spawnSync('unshare', ['-rm', 'sh', '-c', script, 'sh', dir, process.execPath, process.argv[1]!], {
      encoding: 'utf8',
      env: { ...process.env, NODE_TEST_CONTEXT: undefined },
    })
    if (/unshare|mount/.test(run.stderr) && run.status !== 0) {
      if (process.env.TSBOX_MUST_WORK === '1') throw new Error(run.stderr)
      t.skip(`no namespace to mount in: ${run.stderr.trim()}`)
      return
    }
    assert.equal(run.status, 0, run.stderr)
    assert.deepEqual(JSON.parse(run.stdout), {
      codes: ['E_DISK_FULL true', 'E_DISK_FULL true', 'E_DISK_FULL true'],
      left: [],
      kept: 'small',
      blobs: false,
    })
  })

  test('a store that may not be written says so', (t) => {
    const dir = join(tempDir(t), 'closed')
    mkdirSync(dir)
    chmodSync(dir, 0o555)
    // Root may write anywhere but below a file of /proc.
    const root = process.getuid?.() === 0 ? '/proc/version/store' : join(dir, 'store')
    const store = Store.open(root)
    assert.equal(
      codeOf(() => store.blobs.put(Buffer.from('x'), store.lease())),
      'E_STORE_UNWRITABLE true',
    )
    assert.deepEqual(store.images.list(), [])
  })
}
