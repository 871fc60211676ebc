/** Each promise of docs/reproducible.md: one digest whatever is different around the build. */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, type TestContext, test } from 'node:test'
import { makeBase, onPath, requireBox, sharedCli, skip, TSBOX, writeContext } from '../helpers/cli.js'
import { ID_MODES } from '../helpers/userns.js'

const cli = sharedCli()
/** The same base for every store. */
const base = join(cli.dir, 'base.tar')
before(() => {
  makeBase(cli)
  writeFileSync(base, spawnSync(TSBOX, ['save', 'base'], { env: cli.env, maxBuffer: 1 << 28 }).stdout)
})

/** Files, owners, links, modes, times, stages that run at once, an archive, an attribute of a directory. */
const Dockerfile = `FROM base AS one
RUN for i in 3 1 2; do echo $i > /file-$i; done; mkdir /d; ln -s file-1 /link; ln /file-2 /hard; chmod 1777 /d
FROM base AS two
RUN touch -d @1 /old; touch /new; chown 5:6 /new; mkdir -p /z/a /z/b; umask; id -u
FROM base
WORKDIR /app
COPY --chown=7:8 . .
COPY --from=two /old /new /z ./two/
COPY --from=one /file-1 /file-2 /file-3 /hard ./one/
COPY <<EOF /inline
text
EOF
RUN --mount=from=one,target=/one cp -a /one/d /one/link /copied-; rm /inline || true; echo \${TZ:-none} \${LANG:-none} > /env
`.replace('cp -a /one/d /one/link /copied-', 'mkdir /copied && cp -a /one/d /one/link /copied')

const NAMES = ['b', 'a/x', 'a/y', 'Ä', 'run.sh']

/** A context with the same files, made in any order, at any place. */
function context(order: readonly string[] = NAMES): string {
  const dir = writeContext(cli, { Dockerfile })
  for (const name of order) {
    const path = join(dir, name)
    mkdirSync(join(path, '..'), { recursive: true })
    writeFileSync(path, `content of ${name}`, { mode: name === 'run.sh' ? 0o755 : 0o644 })
  }
  return dir
}

const EPOCH = { SOURCE_DATE_EPOCH: '1700000000' }

/** Builds in a store of its own. @returns image id, and digests of OCI archives in all compressions */
function build(store: string, dir: string, how: { args?: string[]; env?: object; around?: string[] } = {}): string[] {
  const root = join(cli.dir, store)
  const env = { ...cli.env, TSBOX_ROOT: root, ...EPOCH, ...how.env }
  const around = (args: string[]) => {
    const [program, ...rest] = [...(how.around ?? []), TSBOX, ...args]
    return execFileSync(program!, rest, { env: env as NodeJS.ProcessEnv, stdio: ['ignore', 'pipe', 'pipe'] })
  }
  around(['load', '-q', '-i', base])
  const forms = ['', ',compression=gzip,force-compression=true', ',compression=zstd,force-compression=true']
  const archives = forms.map((form, i) => ({ form, path: join(cli.dir, `${store}-${i}.tar`) }))
  const output = [...archives.flatMap(({ form, path }) => ['-o', `type=oci,dest=${path}${form}`]), '--load']
  const id = around(['build', '-q', '--no-cache', ...output, ...(how.args ?? []), dir])
    .toString()
    .trim()
  return [id, ...archives.map(({ path }) => createHash('sha256').update(readFileSync(path)).digest('hex'))]
}

let expected: string[]

async function reference(t: TestContext): Promise<string[] | undefined> {
  if (!(await requireBox(t))) return undefined
  expected ??= build('reference', context())
  return expected
}

test('the same digest: a second time, in another store, from a context elsewhere, made in another order', async (t) => {
  const digests = await reference(t)
  if (!digests) return
  assert.deepEqual(build('reference', context()), digests, 'the same store')
  const late = context([...NAMES].reverse())
  // Files newer than the date count as of the date, whenever they are from.
  for (const name of NAMES) utimesSync(join(late, name), 1_800_000_000, 1_800_000_000)
  assert.deepEqual(build('elsewhere-with-a-longer-name', late), digests)
})

for (const { mode } of ID_MODES)
  test(`the same digest in id mode ${mode}`, async (t) => {
    const digests = await reference(t)
    if (digests) assert.deepEqual(build(`mode-${mode}`, context(), { args: ['--userns', mode] }), digests)
  })

test('the same digest with one CPU and one job', async (t) => {
  const digests = await reference(t)
  if (!digests) return
  if (!onPath('taskset')) return void skip(t, 'taskset is not installed: apt install util-linux')
  assert.deepEqual(build('cpu', context(), { args: ['--jobs', '1'], around: ['taskset', '-c', '0'] }), digests)
})

test('the same digest with another umask, time zone, language, home and host environment', async (t) => {
  const digests = await reference(t)
  if (!digests) return
  const env = { TZ: 'Pacific/Chatham', LANG: 'de_DE.UTF-8', LC_ALL: 'C', HOME: '/nowhere', COLUMNS: '40' }
  const around = ['sh', '-c', 'umask 077; exec "$@"', 'sh']
  assert.deepEqual(build('around', context(), { env, around }), digests)
})

test('without a date, a cached rebuild is identical and only times differ of others', async (t) => {
  if (!(await requireBox(t))) return
  const dir = context()
  const first = cli.build(dir)
  assert.equal(cli.build(dir).id, first.id, 'cached')
  utimesSync(join(dir, 'b'), 1, 1)
  assert.equal(cli.build(dir).id, first.id, 'a touched file is no change')
})

test('--reproducible takes the time of the commit, else of the newest file, unless a date is given', async (t) => {
  const dir = writeContext(cli, {
    Dockerfile: 'FROM scratch\nCOPY a /\n',
    '.dockerignore': 'Dockerfile\nlate\n',
    a: 'a',
    late: '',
  })
  const date = (args: string[] = [], env = {}) => {
    const { log } = cli.build(dir, ['--reproducible', '-t', 'dated', ...args], { env })
    const history = cli.ok(['history', '--format', '{{.CreatedAt}}', 'dated']).split('\n')[0]
    return { log, history }
  }
  utimesSync(join(dir, 'a'), 1_500_000_000, 1_500_000_000)
  utimesSync(join(dir, '.dockerignore'), 1_400_000_000, 1_400_000_000)
  const newest = date()
  assert.match(newest.log, /SOURCE_DATE_EPOCH=1500000000 \(newest file of the build context: a\)/)
  assert.equal(newest.history, '2017-07-14T02:40:00Z')
  assert.equal(date([], { SOURCE_DATE_EPOCH: '86400' }).history, '1970-01-02T00:00:00Z')
  assert.equal(date(['--build-arg', 'SOURCE_DATE_EPOCH=0'], {}).history, '1970-01-01T00:00:00Z')

  if (!onPath('git')) return void skip(t, 'git is not installed: apt install git')
  const who = { GIT_AUTHOR_NAME: 'a', GIT_AUTHOR_EMAIL: 'a', GIT_COMMITTER_NAME: 'c', GIT_COMMITTER_EMAIL: 'c' }
  const when = { GIT_AUTHOR_DATE: '1000000000 +0000', GIT_COMMITTER_DATE: '1600000000 +0200' }
  const git = (args: string[], input = '') => {
    const ran = spawnSync('git', ['-C', dir, ...args], {
      env: { ...cli.env, ...who, ...when },
      encoding: 'utf8',
      input,
    })
    assert.equal(ran.status, 0, ran.stderr)
    return ran.stdout
  }
  git(['init', '-q'])
  assert.match(date().log, /newest file/, 'nothing is committed')
  git(['add', '.'])
  git(['commit', '-q', '-m', 'a message\n\ncommitter x <x> 5 +0000'])
  const signed = git(['cat-file', 'commit', 'HEAD']).replace(
    '\n\n',
    '\ngpgsig -----BEGIN PGP SIGNATURE-----\n \n x\n\n',
  )
  git(['update-ref', 'HEAD', git(['hash-object', '-t', 'commit', '-w', '--stdin'], signed).trim()])
  // What a repository could start is not started: settings of the context are its author's, not the user's.
  const program = join(cli.dir, 'program')
  writeFileSync(program, `#!/bin/sh\ntouch '${program}.started'\n`, { mode: 0o755 })
  for (const key of ['core.fsmonitor', 'core.pager', 'gpg.program', 'core.sshCommand']) git(['config', key, program])
  git(['config', 'log.showSignature', 'true'])
  const commit = date([], { GIT_DIR: '/nowhere' })
  assert.match(commit.log, /SOURCE_DATE_EPOCH=1600000000 \(commit of the build context\)/)
  assert.equal(commit.history, '2020-09-13T12:26:40Z')
  assert.ok(!existsSync(`${program}.started`))
})
