/** A disk that is full while tsbox works: one clear error, and a store that works again once there is room. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type Cli, makeBase, openCli, type Ran, requireBox, skip, TSBOX, writeContext } from '../helpers/cli.js'

/**
 * Mounts a tmpfs of `$SIZE` at `$DISK` and runs the lines of standard input there, each as a command of its own; what
 * each said and how it ended goes to `$OUT/<line number>.{out,err,code}`.
 */
const IN_SMALL_DISK = `
mount -t tmpfs -o "size=$SIZE" none "$DISK" || exit 77
export TSBOX_ROOT="$DISK/store"
n=0
while IFS= read -r line; do
  n=$((n + 1))
  sh -c "$line" >"$OUT/$n.out" 2>"$OUT/$n.err" </dev/null
  echo $? >"$OUT/$n.code"
done`

/** Runs shell lines with the store on a small disk; `tsbox` is the command under test. Undefined: it was skipped. */
function onSmallDisk(t: TestContext, cli: Cli, size: string, lines: readonly string[]): Ran[] | undefined {
  const disk = join(cli.dir, 'disk')
  const out = join(cli.dir, 'out')
  for (const dir of [disk, out]) mkdirSync(dir)
  const run = spawnSync('unshare', ['--user', '--map-root-user', '--mount', 'sh', '-c', IN_SMALL_DISK], {
    encoding: 'utf8',
    cwd: cli.dir,
    env: { ...cli.env, SIZE: size, DISK: disk, OUT: out },
    input: lines.map((l) => `${l.replaceAll('tsbox ', `${TSBOX} `)}\n`).join(''),
  })
  if (run.status !== 0) {
    skip(t, `no namespace to mount a small disk in: ${run.stderr.trim()}`)
    return undefined
  }
  const read = (n: number, what: string) => readFileSync(join(out, `${n}.${what}`), 'utf8')
  return lines.map((_, i) => ({
    code: Number(read(i + 1, 'code')),
    signal: null,
    stdout: read(i + 1, 'out'),
    stderr: read(i + 1, 'err'),
  }))
}

function assertDiskFull(ran: Ran, what: string): void {
  assert.equal(ran.code, 1, `${what}: ${ran.stdout}${ran.stderr}`)
  assert.match(ran.stderr, /no space left on the device/, what)
  assert.match(ran.stderr, /^hint: free space with tsbox system prune/m, what)
  assert.equal(ran.stderr.match(/^ERROR: /gm)?.length, 1, ran.stderr)
  assert.doesNotMatch(ran.stderr, /BUG|^ +at /m)
}

const LOOK = 'ls -A $TSBOX_ROOT/tmp $TSBOX_ROOT/leases 2>/dev/null | grep -v : | grep . ; true'

test('a full disk is one clear error for build, load and import, and no more than that', async (t) => {
  if (!(await requireBox(t))) return
  const cli = openCli(t)
  const big = { text: Buffer.alloc(6 << 20, 'tsbox') }
  const context = writeContext(cli, { Dockerfile: 'FROM scratch\nCOPY big /\n', big })
  const small = writeContext(cli, { Dockerfile: 'FROM scratch\nCOPY file /\n', file: 'small' })
  cli.build(context, ['-t', 'big'])
  cli.ok(['save', '-o', join(cli.dir, 'big.tar'), 'big'])
  spawnSync('tar', ['-C', context, '-cf', join(cli.dir, 'root.tar'), 'big'])
  writeFileSync(join(cli.dir, 'filler'), Buffer.alloc(3 << 20))
  const ran = onSmallDisk(t, cli, '3m', [
    `tsbox build -t big ${context}`,
    LOOK,
    'tsbox load -i big.tar',
    LOOK,
    'tsbox import root.tar imported',
    LOOK,
    'cat filler > $DISK/filler 2>/dev/null; true',
    `tsbox build -t small ${small}`,
    'rm $DISK/filler',
    `tsbox build -q -t small ${small}`,
    'tsbox images --format "{{.Repository}}"',
    'tsbox system prune -a -f',
    'tsbox images -q',
  ])
  if (!ran) return
  for (const [i, what] of [
    [0, 'build'],
    [2, 'load'],
    [4, 'import'],
    [7, 'build on a disk that is full already'],
  ] as const)
    assertDiskFull(ran[i]!, what)
  for (const i of [1, 3, 5]) assert.equal(ran[i]!.stdout, '', 'nothing is left in tmp and leases')
  assert.match(ran[9]!.stdout, /^sha256:/, ran[9]!.stderr)
  assert.equal(ran[10]!.stdout, 'small\n', 'only what was built is there')
  assert.equal(ran[11]!.code, 0, ran[11]!.stderr)
  assert.equal(ran[12]!.stdout, '')
})

test('a step and a container that fill the disk fail by themselves, and the store works on', async (t) => {
  if (!(await requireBox(t))) return
  const cli = openCli(t)
  makeBase(cli)
  cli.ok(['save', '-o', join(cli.dir, 'base.tar'), 'base'])
  const context = writeContext(cli, { Dockerfile: 'FROM base\nRUN head -c 200000000 /dev/zero > /big\n' })
  const good = writeContext(cli, { Dockerfile: 'FROM base\nRUN echo fine > /small\n' })
  const ran = onSmallDisk(t, cli, '64m', [
    'tsbox load -q -i base.tar',
    `tsbox build --progress plain -t big ${context}`,
    LOOK,
    "tsbox run --rm base sh -c 'head -c 200000000 /dev/zero > /big'",
    LOOK,
    `tsbox build -q ${good}`,
  ])
  if (!ran) return
  assert.equal(ran[0]!.code, 0, ran[0]!.stderr)
  assert.equal(ran[1]!.code, 1, ran[1]!.stderr)
  assert.match(ran[1]!.stderr, /No space left on device/)
  assert.match(ran[1]!.stderr, /did not complete successfully: exit code: 1/)
  assert.equal(ran[3]!.code, 1)
  assert.match(ran[3]!.stderr, /No space left on device/)
  for (const i of [2, 4]) assert.equal(ran[i]!.stdout, '', 'nothing is left in tmp and leases')
  assert.match(ran[5]!.stdout, /^sha256:/, ran[5]!.stderr)
})
