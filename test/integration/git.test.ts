/** Git repositories as contexts and as sources of ADD, from real servers on loopback. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { before, type TestContext, test } from 'node:test'
import { makeBase, onPath, openCli, requireBox, sharedCli, writeContext } from '../helpers/cli.js'
import { gitDaemon, gitWeb, Repository } from '../helpers/git.js'
import { requireProgram, runProgram } from '../helpers/programs.js'
import { assertFailed } from '../helpers/refusal.js'
import { buildAside, runAside } from '../helpers/web.js'

const cli = sharedCli()
const root = join(cli.dir, 'repositories')
let commit = ''

before(() => {
  makeBase(cli)
  if (!onPath('git')) return
  const sub = new Repository(join(root, 'sub.git'))
  sub.commit({ 's.txt': 'submodule' })
  const main = new Repository(join(root, 'main.git'))
  main.commit({ 'old.txt': 'old' })
  main.git('tag', '-a', 'v1', '-m', 'v1')
  main.git('-c', 'protocol.file.allow=always', 'submodule', '--quiet', 'add', '../sub.git', 'sub')
  commit = main.commit({
    Dockerfile: 'FROM base\nCOPY . /c\n',
    '.dockerignore': 'hidden.txt\n',
    'hidden.txt': 'hidden',
    'other/Dockerfile': 'FROM base\nCOPY . /c\n',
    'other/f': 'f',
    'run.sh': { text: '#!/bin/sh\n', mode: 0o755 },
    link: { link: 'other' },
    away: { link: '/etc' },
  })
})

const LIST = ['run', '--rm', 'made', 'sh', '-c', 'find /c -type f | sort']

async function ready(t: TestContext): Promise<boolean> {
  return requireProgram(t, 'git') && (await requireBox(t))
}

test('a repository is a context; a full commit id asks nobody again, a name asks once', async (t) => {
  if (!(await ready(t))) return
  const web = await gitWeb(t, root)
  await buildAside(cli, ['-t', 'made', `${web.url}/main.git`])
  const all =
    '/c/.dockerignore\n/c/.gitmodules\n/c/Dockerfile\n/c/old.txt\n/c/other/Dockerfile\n/c/other/f\n/c/run.sh\n'
  assert.equal(cli.ok(LIST), `${all}/c/sub/s.txt\n`)
  web.asked.length = 0
  const named = await buildAside(cli, ['-t', 'made', `${web.url}/main.git#main`])
  assert.match(named.log, /COPY \. \/c\n#\d+ CACHED/)
  assert.ok(!web.asked.some((a) => a.includes('/sub.git')), 'nothing is fetched')
  web.asked.length = 0
  await buildAside(cli, ['-t', 'made', `${web.url}/main.git#${commit}`])
  assert.deepEqual(web.asked, [])
  await buildAside(cli, ['-t', 'made', `${web.url}/main.git?branch=main&subdir=other&submodules=false`])
  assert.equal(cli.ok(LIST), '/c/Dockerfile\n/c/f\n')
  await buildAside(cli, ['-t', 'made', '-f', 'other/Dockerfile', `${web.url}/main.git#main`])
  assert.equal(cli.ok(LIST), `${all}/c/sub/s.txt\n`)
  assert.deepEqual(cli.leftovers(), [])
})

test('files have the time of the commit, wherever and whenever they are fetched', async (t) => {
  if (!(await ready(t))) return
  const web = await gitWeb(t, root)
  const time = runProgram('git', ['-C', join(root, 'main.git'), 'log', '-1', '--format=%ct', commit]).trim()
  const { log } = await buildAside(cli, ['--reproducible', '--no-cache', `${web.url}/main.git#${commit}`])
  assert.match(log, new RegExp(`SOURCE_DATE_EPOCH=${time} \\(newest file of the build context: `))
})

test('ADD of a repository: modes, links, submodules, .git where it is wanted', async (t) => {
  if (!(await ready(t))) return
  const url = `${await gitDaemon(t, root)}/main.git`
  const context = writeContext(cli, {
    Dockerfile: `FROM base
ADD ${url}#v1 /tag
ADD --keep-git-dir ${url}?tag=v1 /kept
ADD --keep-git-dir=true --checksum=${commit} ${url} /head
ADD ${url}#main:link /sub
ADD --chown=7:8 --exclude=other ${url}?submodules=0 /x
RUN find /tag /sub /x | sort > /list; stat -c '%a %u:%g %n' /head/run.sh /head/hidden.txt /head/other /x/run.sh > /modes
`,
  })
  const out = join(cli.dir, 'out')
  const old = process.umask(0o077)
  try {
    cli.build(context, ['-o', out])
  } finally {
    process.umask(old)
  }
  const text = (path: string) => runProgram('cat', [join(out, path)])
  assert.equal(
    text('list'),
    `${['/sub', '/sub/Dockerfile', '/sub/f', '/tag', '/tag/old.txt', '/x', '/x/.dockerignore', '/x/.gitmodules'].join('\n')}
${['/x/Dockerfile', '/x/away', '/x/hidden.txt', '/x/link', '/x/old.txt', '/x/run.sh', '/x/sub'].join('\n')}\n`,
  )
  assert.equal(
    text('modes'),
    '755 0:0 /head/run.sh\n644 0:0 /head/hidden.txt\n755 0:0 /head/other\n755 7:8 /x/run.sh\n',
  )
  const git = (dir: string, ...args: string[]) =>
    runProgram('git', ['-c', 'safe.directory=*', '-C', join(out, dir), ...args]).trim()
  assert.equal(git('kept', 'describe'), 'v1')
  assert.equal(git('head', 'rev-parse', 'HEAD'), commit)
  assert.equal(git('head', 'status', '--short'), '')
  assert.equal(git('head', 'remote', 'get-url', 'origin'), url)
  assert.equal(text('head/sub/s.txt'), 'submodule')

  const { log } = cli.build(context)
  assert.equal([...log.matchAll(/ADD .*\n#\d+ CACHED/g)].length, 5, log)
})

test('a server of plain files is fetched from, too', async (t) => {
  if (!(await ready(t))) return
  const dir = join(cli.dir, 'plain')
  mkdirSync(dir, { recursive: true })
  for (const name of ['main', 'sub']) symlinkSync(join(root, `${name}.git`, '.git'), join(dir, `${name}.git`))
  const web = await gitWeb(t, dir, false)
  for (const ref of ['main', commit]) {
    const own = openCli(t)
    makeBase(own)
    await buildAside(own, ['-t', 'made', `${web.url}/main.git#${ref}:other`])
    assert.equal(own.ok(LIST), '/c/Dockerfile\n/c/f\n')
  }
})

test('a repository by name: COPY --from, mounts; BUILDKIT_CONTEXT_KEEP_GIT_DIR keeps .git', async (t) => {
  if (!(await ready(t))) return
  const url = `${await gitDaemon(t, root)}/main.git`
  const context = writeContext(cli, {
    Dockerfile:
      'FROM base\nCOPY --from=src other/f /f\nRUN --mount=from=src,target=/m cat /m/run.sh && test ! -e /m/.git\n',
  })
  cli.build(context, ['--build-context', `src=${url}#main`, '-t', 'made'])
  assert.equal(cli.ok(['run', '--rm', 'made', 'cat', '/f']), 'f')
  const kept = ['--build-arg', 'BUILDKIT_CONTEXT_KEEP_GIT_DIR=1', '-f', '-', `${url}#main`]
  cli.ok(['build', ...kept], { input: 'FROM base\nCOPY . /c\nRUN test -e /c/.git/HEAD\n' })
})

test('credentials let in, and are nowhere afterwards', async (t) => {
  if (!(await ready(t))) return
  const own = openCli(t)
  makeBase(own)
  const web = await gitWeb(t, root)
  const wanted = (user: string, secret: string) => `basic ${Buffer.from(`${user}:${secret}`).toString('base64')}`
  let allowed = ''
  web.before = (req, res) => {
    if (req.headers.authorization === allowed || req.url!.startsWith('/sub.git')) return false
    res.writeHead(401, { 'www-authenticate': 'Basic' }).end()
    return true
  }
  const refused = await runAside(own, ['build', `${web.url}/main.git`])
  assertFailed(refused, {
    code: 1,
    message: /failed to fetch remote .*could not read Username/,
    hint: /GIT_AUTH_TOKEN/,
  })
  allowed = wanted('x-access-token', 'tokensecret1')
  const secret = ['--secret', 'id=GIT_AUTH_TOKEN', `${web.url}/main.git`]
  const first = await buildAside(own, secret, { env: { GIT_AUTH_TOKEN: 'tokensecret1\n' } })
  allowed = wanted('me', 'passsecret2')
  const url = web.url.replace('http://', 'http://me:passsecret2@')
  const context = writeContext(own, { Dockerfile: `FROM base\nADD --keep-git-dir ${url}/main.git /a\n` })
  const second = await buildAside(own, ['-t', 'made', context])
  assert.match(second.log, /xxxxx:xxxxx@127/)
  assert.match(own.ok(['history', '--no-trunc', 'made']), /xxxxx:xxxxx@127/)
  const third = await runAside(own, ['build', `${url}/main.git#none`])
  assert.equal(third.code, 1)
  const found = spawnSync('grep', ['-rlaE', 'tokensecret1|passsecret2', own.root], { encoding: 'utf8' }).stdout
  assert.equal(found, '')
  for (const { log } of [first, second, third]) assert.doesNotMatch(log, /tokensecret1|passsecret2/)
})

test('two builds at once, one that is killed, and prune', async (t) => {
  if (!(await ready(t))) return
  const own = openCli(t)
  makeBase(own)
  const web = await gitWeb(t, root)
  const url = `${web.url}/main.git`
  let hang = true
  let hanging: (() => void) | undefined
  const reached = new Promise<void>((resolve) => {
    hanging = resolve
  })
  web.before = (req) => {
    const stops = hang && req.method === 'POST' && req.url!.startsWith('/sub.git')
    if (stops) hanging!()
    return stops
  }
  const killed = own.start(['build', url])
  await reached
  process.kill(killed.pid, 'SIGKILL')
  await killed.ended
  hang = false
  await Promise.all([buildAside(own, ['-t', 'made', url]), buildAside(own, ['-t', 'made2', url])])
  assert.match(own.ok(LIST), /s\.txt/)
  own.ok(['system', 'prune', '-a', '-f'])
  assert.deepEqual(own.names('cache'), [])
  assert.deepEqual(own.names('tmp'), [])
  makeBase(own)
  web.asked.length = 0
  await buildAside(own, [`${url}#${commit}`])
  assert.ok(web.asked.length > 0, 'fetched again')
})

const bad: [what: string, source: string, expected: { message: RegExp; hint?: RegExp; env?: boolean }][] = [
  ['a ref that is not there', '#none', { message: /does not contain ref none/, hint: /git ls-remote/ }],
  ['a shortened commit', '#abcdef1', { message: /does not contain ref abcdef1/, hint: /full id/ }],
  ['a commit that is not there', `#${'a'.repeat(40)}`, { message: /does not contain ref a{40}/, hint: /ls-remote/ }],
  ['a folder that is not there', '#main:none', { message: /no such directory "none"/, hint: /within the repository/ }],
  ['a folder that is a file', '#main:run.sh', { message: /not a directory "run.sh"/ }],
  ['a folder outside', '#main:../x', { message: /leaves the repository/, hint: /SUBDIR/ }],
  ['a link that leads outside', '#main:away', { message: /no such directory "away"/ }],
  ['.git as a folder', '#main:.git', { message: /no such directory ".git"/ }],
  [
    'another commit',
    '?branch=main&commit=abcdef1',
    { message: /expected checksum to match abcdef1, got/, hint: /checksum/ },
  ],
  ['an unknown query', '?depth=1', { message: /unexpected query "depth"/ }],
  ['contradicting refs', '?tag=a&branch=b', { message: /branch conflicts with tag/ }],
  ['no git', '', { message: /no program "git"/, hint: /apt-get install git/, env: true }],
]
test('what can be wrong with a repository', async (t) => {
  if (!(await ready(t))) return
  const url = `${await gitDaemon(t, root)}/main.git`
  for (const [what, source, { env, ...expected }] of bad)
    await t.test(what, () => {
      // bin/tsbox itself needs node and a shell.
      const run = (args: string[]) => cli.run(args, env ? { env: { PATH: binFolder() } } : {})
      assertFailed(run(['build', '--progress', 'plain', `${url}${source}`]), { code: 1, ...expected })
      const context = writeContext(cli, { Dockerfile: `FROM base\nADD ${url}${source} /a\n` })
      assertFailed(run(['build', '--progress', 'plain', context]), { code: 1, line: 2, ...expected })
      assert.deepEqual(cli.leftovers(), [])
    })
  const context = writeContext(cli, { Dockerfile: 'FROM base\nADD git@host.invalid:a/b.git /a\n' })
  const expected = { code: 1, message: /no agent given to this build/, hint: /--ssh default/, line: 2 }
  assertFailed(cli.run(['build', context]), expected)
})

/** A folder with node and what bin/tsbox needs, and no git. */
function binFolder(): string {
  const dir = join(cli.dir, 'bin')
  mkdirSync(dir, { recursive: true })
  for (const name of ['node', 'sh', 'dirname', 'readlink', 'env', 'cat', 'uname', 'newuidmap', 'newgidmap']) {
    const found = spawnSync('sh', ['-c', 'command -v "$0"', name], { encoding: 'utf8' }).stdout.trim()
    try {
      if (found.startsWith('/')) symlinkSync(found, join(dir, name))
    } catch {
      // Made for the first case.
    }
  }
  return dir
}
