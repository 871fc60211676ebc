/** ADD of files behind HTTP and HTTPS, from a server of the test's own. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer, request } from 'node:http'
import { connect } from 'node:net'
import { join } from 'node:path'
import { before, type TestContext, test } from 'node:test'
import { makeBase, onPath, requireBox, sharedCli, skip, writeContext } from '../helpers/cli.js'
import { buildAside, listen, runAside, serve } from '../helpers/web.js'

const cli = sharedCli()
before(() => makeBase(cli))

const DATE = 'Tue, 05 Mar 2019 10:00:00 GMT'
const SECONDS = Date.parse(DATE) / 1000

const sha256 = (text: string) => `sha256:${createHash('sha256').update(text).digest('hex')}`

/** Builds `FROM base` with these lines, then has a shell say what is in the image. */
async function built(lines: string, command: string, args: readonly string[] = [], env: Record<string, string> = {}) {
  const context = writeContext(cli, { Dockerfile: `FROM base\n${lines}\n` })
  const { log } = await buildAside(cli, ['-t', 'added', ...args, context], { env })
  return { log, said: cli.ok(['run', '--rm', 'added', 'sh', '-c', command]) }
}

async function refused(lines: string, env: Record<string, string> = {}): Promise<string> {
  const context = writeContext(cli, { Dockerfile: `FROM base\n${lines}\n`, local: 'x' })
  const { code, log } = await runAside(cli, ['build', '--progress', 'plain', context], { env })
  assert.equal(code, 1, log)
  return log
}

test('the file has the name of the URL, mode 0600 and the time of Last-Modified', async (t) => {
  if (!(await requireBox(t))) return
  const web = await serve(t, {
    '/d/one%20two.txt?v=1': { body: 'one', headers: { 'last-modified': DATE } },
    '/plain': 'plain',
    '/': { body: 'index', headers: { 'content-disposition': 'attachment; filename="../given.txt"' } },
    '/?none': 'none',
  })
  const { said } = await built(
    `ADD ["${web.url}/d/one%20two.txt?v=1", "/to/"]\nADD ${web.url}/plain /renamed\nADD ${web.url}/plain /to\nADD ${web.url} /dir/\nADD ${web.url}/?none /dir/`,
    "stat -c '%a %u:%g %Y %n' /to/* /renamed /dir/*; cat /to/* /renamed /dir/*",
  )
  const line = (name: string, time = 0) => `600 0:0 ${time} ${name}\n`
  const stats = [
    line('/to/one two.txt', SECONDS),
    line('/to/plain'),
    line('/renamed'),
    line('/dir/__unnamed__'),
    line('/dir/given.txt'),
  ]
  assert.equal(said, `${stats.join('')}oneplainplainnoneindex`)
})

test('--chown and --chmod change it', async (t) => {
  if (!(await requireBox(t))) return
  const web = await serve(t, { '/tool': 'x' })
  const { said } = await built(`ADD --chown=7:8 --chmod=751 ${web.url}/tool /a/tool`, "stat -c '%a %u:%g' /a /a/tool")
  assert.equal(said, '755 7:8\n751 7:8\n')
})

test('an archive is extracted only with --unpack', async (t) => {
  if (!(await requireBox(t))) return
  const dir = join(cli.dir, 'archive')
  mkdirSync(dir, { recursive: true })
  writeFileSync(join(dir, 'inner.txt'), 'inner')
  execFileSync('tar', ['-czf', join(cli.dir, 'a.tgz'), '-C', dir, 'inner.txt'])
  const web = await serve(t, { '/a.tgz': { body: readFileSync(join(cli.dir, 'a.tgz')) } })
  const { said } = await built(
    `ADD ${web.url}/a.tgz /kept/\nADD --unpack ${web.url}/a.tgz /out/\nADD --unpack=false ${web.url}/a.tgz /no/`,
    'ls /kept /out /no; cat /out/inner.txt',
  )
  assert.equal(said, '/kept:\na.tgz\n\n/no:\na.tgz\n\n/out:\ninner.txt\ninner')
})

test('--checksum is verified, and what has it is not asked for again', async (t) => {
  if (!(await requireBox(t))) return
  const web = await serve(t, { '/f': 'right' })
  const line = `ADD --checksum=${sha256('right')} ${web.url}/f /f`
  await built(line, 'cat /f')
  assert.equal(web.asked.length, 1)
  web.files.clear()
  assert.match((await built(line, 'cat /f')).log, /CACHED/)
  assert.equal(web.asked.length, 1)
  web.files.set('/f', { body: 'wrong' })
  const log = await refused(`ADD --checksum=${sha256('other')} ${web.url}/f /f`)
  assert.ok(log.includes(`digest mismatch ${sha256('wrong')}: ${sha256('other')}`), log)
})

/** How many steps after FROM were answered from the cache. */
const cachedSteps = (log: string) => log.match(/ \[[2-9]\/\d+\] .*\n#\d+ CACHED$/gm)?.length

const REFUSED: [line: string, message: string][] = [
  [
    'ADD --checksum=sha256:$SUM http://localhost/a http://localhost/b /d/',
    "checksum can't be specified for multiple sources",
  ],
  ['ADD --checksum=sha256:$SUM local /d', 'checksum requires HTTP(S) or Git sources'],
  ['ADD --checksum=sha256:12 http://localhost/a /d', 'invalid checksum digest length'],
  ['ADD --checksum=md5:12 http://localhost/a /d', 'unsupported digest algorithm'],
  ['ADD --checksum=12 http://localhost/a /d', 'invalid checksum digest format'],
  ['COPY http://localhost/a /d', "source can't be a URL for COPY"],
]
for (const [line, message] of REFUSED)
  test(`${line}: ${message}`, async (t) => {
    if (!(await requireBox(t))) return
    const log = await refused(line.replace('$SUM', 'a'.repeat(64)))
    assert.ok(log.includes(message), log)
  })

test('a server is asked whether the file changed; the same bytes are cached whatever it says', async (t) => {
  if (!(await requireBox(t))) return
  const web = await serve(t, {
    '/etag': { body: 'one', headers: { etag: '"1"' } },
    '/date': { body: 'two', headers: { 'last-modified': DATE } },
  })
  const lines = `ADD ${web.url}/etag /a\nADD ${web.url}/date /b\nRUN cat /a /b > /c`
  await built(lines, 'true')
  const second = await built(lines, 'cat /c')
  assert.deepEqual(web.asked.map((a) => a.status).sort(), [200, 200, 304, 304])
  assert.equal(cachedSteps(second.log), 3, second.log)
  web.files.set('/etag', { body: 'one', headers: { etag: '"2"' } })
  const third = await built(lines, 'cat /c')
  assert.equal(cachedSteps(third.log), 3, third.log)
  web.files.set('/etag', { body: 'new', headers: { etag: '"3"' } })
  assert.equal((await built(lines, 'cat /c')).said, 'newtwo')
})

test('redirects are followed; credentials go to their own host and into no message', async (t) => {
  if (!(await requireBox(t))) return
  const other = await serve(t, { '/end': 'end' })
  const web = await serve(t, {
    '/a': { body: '', status: 302, headers: { location: '/b' } },
    '/b': { body: '', status: 307, headers: { location: `${other.url}/end` } },
    '/loop': { body: '', status: 301, headers: { location: '/loop' } },
  })
  const login = web.url.replace('//', '//me:secret-word@')
  const { said, log } = await built(`ADD ${login}/a /a`, 'cat /a')
  assert.equal(said, 'end')
  const basic = `Basic ${Buffer.from('me:secret-word').toString('base64')}`
  assert.deepEqual(
    web.asked.map((a) => a.headers.authorization),
    [basic, basic],
  )
  assert.equal(other.asked[0]!.headers.authorization, undefined)
  const failed = (await refused(`ADD ${login}/absent /a`)) + (await refused(`ADD ${login}/loop /a`))
  assert.match(failed, /invalid response status 404: "http:\/\/me:xxxxx@/)
  assert.match(failed, /stopped after 10 redirects/)
  assert.doesNotMatch(log, /secret-word/)
  assert.doesNotMatch(cli.ok(['history', '--no-trunc', 'added']), /secret-word/)
})

test('a connection that breaks leaves nothing', async (t) => {
  if (!(await requireBox(t))) return
  const server = createServer((_, res) => {
    res.writeHead(200, { 'content-length': '100' })
    res.write('part')
    setTimeout(() => res.destroy(), 50)
  })
  const port = await listen(t, server)
  const log = await refused(`ADD http://127.0.0.1:${port}/x /x`)
  assert.match(log, /fetch: aborted: "http:\/\/127/)
  assert.deepEqual(cli.leftovers(), [])
})

/** A certificate of our own for 127.0.0.1 and files.test. */
function certificate(t: TestContext): { key: string; cert: string; file: string } | undefined {
  if (!onPath('openssl')) {
    skip(t, 'openssl is not installed: sudo apt-get install openssl')
    return undefined
  }
  const key = join(cli.dir, 'key.pem')
  const file = join(cli.dir, 'cert.pem')
  const args = 'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=tsbox-test'
  execFileSync(
    'openssl',
    [...args.split(' '), '-addext', 'subjectAltName=IP:127.0.0.1,DNS:files.test', '-keyout', key, '-out', file],
    { stdio: 'ignore' },
  )
  return { key: readFileSync(key, 'utf8'), cert: readFileSync(file, 'utf8'), file }
}

test('HTTPS trusts the certificates of NODE_EXTRA_CA_CERTS and no unknown ones', async (t) => {
  if (!(await requireBox(t))) return
  const pair = certificate(t)
  if (!pair) return
  const web = await serve(t, { '/s': 'secure' }, pair)
  assert.match(await refused(`ADD ${web.url}/s /s`), /self.signed certificate/)
  const { said } = await built(`ADD ${web.url}/s /s`, 'cat /s', [], { NODE_EXTRA_CA_CERTS: pair.file })
  assert.equal(said, 'secure')
})

test('proxies of the environment are used, for HTTPS as tunnels', async (t) => {
  if (!(await requireBox(t))) return
  const pair = certificate(t)
  if (!pair) return
  const web = await serve(t, { '/p': 'plain' })
  const secure = await serve(t, { '/t': 'tunnelled' }, pair)
  const seen: string[] = []
  const proxy = createServer((req, res) => {
    seen.push(`${req.url} ${req.headers['proxy-authorization']}`)
    request(`${web.url}${new URL(req.url!).pathname}`, (from) => from.pipe(res)).end()
  })
  proxy.on('connect', (req, socket) => {
    seen.push(`CONNECT ${req.url}`)
    const to = connect(Number(new URL(secure.url).port), '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n')
      to.pipe(socket).pipe(to)
    })
    to.on('error', () => socket.destroy())
    socket.on('error', () => to.destroy())
  })
  const port = await listen(t, proxy)
  const env = {
    http_proxy: `http://u:p@127.0.0.1:${port}`,
    https_proxy: `127.0.0.1:${port}`,
    no_proxy: 'elsewhere.test',
    NODE_EXTRA_CA_CERTS: pair.file,
  }
  const { said } = await built('ADD http://files.test/p /p\nADD https://files.test/t /t', 'cat /p /t', [], env)
  assert.equal(said, 'plaintunnelled')
  // The far end answers with a certificate for another name.
  assert.match(await refused('ADD https://other.test/t /t', env), /altnames/)
  const basic = `Basic ${Buffer.from('u:p').toString('base64')}`
  assert.deepEqual(seen, [`http://files.test/p ${basic}`, 'CONNECT files.test:443', 'CONNECT other.test:443'])
})
