/**
 * The work that people have for tsbox: a Debian root file system, packages from the archive, a compiler, a second stage
 * that runs as a user of its own. `TSBOX_TEST_DEBIAN` names the root's tar:
 * `mmdebstrap --variant=minbase bookworm debian.tar`.
 */
import assert from 'node:assert/strict'
import { appendFileSync, existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, type TestContext, test } from 'node:test'
import { aptFiles } from '../helpers/apt.js'
import {
  type ContextFile,
  HAS_SUBIDS,
  REPO,
  removeMapped,
  requireBox,
  sharedCli,
  skip,
  TSBOX,
  writeContext,
} from '../helpers/cli.js'
import { Podman } from '../helpers/podman.js'
import { requireProgram, runProgram } from '../helpers/programs.js'
import { entryOf, ownerOf, type SavedImage, savedImage } from '../helpers/saved.js'

const cli = sharedCli()
const podman = new Podman(cli)
after(async () => {
  podman.reset()
  await removeMapped(cli.dir)
})

/** Fetching and unpacking take their time where the network or the disk is slow. */
const LIMIT = { timeoutMs: 300_000 }

let imported = false

async function requireDebian(t: TestContext): Promise<boolean> {
  if (!(await requireBox(t))) return false
  const tar = process.env.TSBOX_TEST_DEBIAN
  if (!tar || !existsSync(tar))
    return skip(t, 'TSBOX_TEST_DEBIAN names no tar: sudo mmdebstrap --variant=minbase bookworm debian.tar')
  if (!imported) cli.ok(['import', tar, 'debian:bookworm'], LIMIT)
  imported = true
  return true
}

function project(): Record<string, ContextFile> {
  const dir = join(REPO, 'fixtures/projects/hello')
  return Object.fromEntries(readdirSync(dir).map((name) => [`hello/${name}`, readFileSync(join(dir, name), 'utf8')]))
}

function aptContext(): Record<string, ContextFile> {
  return Object.fromEntries(Object.entries(aptFiles('bookworm')).map(([name, text]) => [`apt/${name}`, text]))
}

const DOCKERFILE = `FROM debian:bookworm AS build
COPY apt/ /etc/apt/
ARG DEBIAN_FRONTEND=noninteractive
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev nginx-light openssh-server cron
WORKDIR /src
COPY hello/ .
RUN gcc -O2 -Wall -o /hello *.c

FROM debian:bookworm
RUN useradd --create-home --uid 1500 greeter
COPY --from=build --chown=greeter:greeter /hello /home/greeter/bin/hello
USER greeter
WORKDIR /home/greeter
CMD ["bin/hello"]
`

const GREETING = 'hello from greeter (1500)\n'

/** Build arguments that pass this machine's proxies on. */
const PROXIES = ['HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY']
  .flatMap((name) => [name, name.toLowerCase()])
  .filter((name) => process.env[name])
  .flatMap((name) => ['--build-arg', name])

function steps(log: string): { ran: string[]; cached: string[] } {
  const names = new Map([...log.matchAll(/^#(\d+) \[(?!internal)[^\]]*\] (.*)$/gm)].map((m) => [m[1]!, m[2]!]))
  const cached = new Set([...log.matchAll(/^#(\d+) CACHED$/gm)].map((m) => m[1]!))
  const split = (hit: boolean) => [...names].filter(([n]) => cached.has(n) === hit).map(([, name]) => name)
  return { ran: split(false), cached: split(true) }
}

function assertOwners(image: SavedImage, expected: Record<string, string>): void {
  assert.deepEqual(Object.fromEntries(Object.keys(expected).map((p) => [p, ownerOf(image, p)])), expected)
}

test('a Dockerfile with apt-get, a compiler and a user', { timeout: 900_000 }, async (t) => {
  if (!(await requireDebian(t))) return
  const context = writeContext(cli, { ...project(), ...aptContext(), Dockerfile: DOCKERFILE })
  const args = [...PROXIES, '-t', 'greeter']
  const first = cli.build(context, args, LIMIT)
  assert.equal(steps(first.log).ran.length, DOCKERFILE.match(/^(COPY|RUN|WORKDIR)/gm)!.length)
  assert.equal(cli.ok(['run', '--rm', 'greeter']), GREETING)
  assert.deepEqual(cli.leftovers(), [])

  await t.test('the layers have the owners that packages and steps set', async () => {
    assertOwners(await savedImage(cli, 'greeter'), {
      'home/greeter': 'directory 755 1500:1500',
      'home/greeter/bin': 'directory 755 1500:1500',
      'home/greeter/bin/hello': 'file 755 1500:1500',
      'etc/shadow': 'file 640 0:42',
      'usr/bin/chage': 'file 2755 0:42',
      'usr/bin/passwd': 'file 4755 0:0',
      tmp: 'directory 1777 0:0',
    })
    cli.build(context, [...args.slice(0, -1), 'builder', '--target', 'build'], LIMIT)
    const builder = await savedImage(cli, 'builder')
    assertOwners(builder, {
      'var/log/nginx': 'directory 755 0:4',
      'var/log/nginx/access.log': 'file 640 33:4',
      'var/log/nginx/error.log': 'file 640 33:4',
      'var/lib/apt/lists/partial': 'directory 700 42:0',
      'var/cache/apt/archives/partial': 'directory 700 42:0',
      'usr/sbin/nginx': 'file 755 0:0',
      // Of groups that the packages made, by programs that set ids and owners as root may.
      'usr/bin/crontab': 'file 2755 0:101',
      'var/spool/cron/crontabs': 'directory 1730 0:101',
      'usr/bin/ssh-agent': 'file 2755 0:102',
      'etc/ssh/ssh_host_ed25519_key': 'file 600 0:0',
      'etc/gshadow': 'file 640 0:42',
      'src/main.c': 'file 644 0:0',
      hello: 'file 755 0:0',
    })
    assert.equal(entryOf(builder, 'usr/bin/gcc')?.link, 'gcc-12')
    assert.equal(
      cli.ok(['run', '--rm', 'builder', 'stat', '-c', '%U:%G %a', '/var/log/nginx/access.log']),
      'www-data:adm 640\n',
    )
    const become = `echo '0 0 * * * true' | crontab -u www-data - && su -s /bin/sh www-data -c 'id -u; crontab -l; ! crontab -u root -l' 2>&1`
    assert.match(cli.ok(['run', '--rm', 'builder', 'sh', '-c', become]), /^33\n0 0 \* \* \* true\nmust be privileged/m)
  })

  await t.test('built again, nothing runs and the digest is the same', () => {
    const again = cli.build(context, args, LIMIT)
    assert.deepEqual(steps(again.log).ran, [])
    assert.equal(again.id, first.id)
  })

  await t.test('with a changed source, what was installed stays', () => {
    appendFileSync(join(context, 'hello/greeting.c'), '/* changed */\nint changed = 1;\n')
    const { ran, cached } = steps(cli.build(context, args, LIMIT).log)
    assert.ok(cached.some((s) => s.includes('apt-get install')))
    assert.deepEqual(
      ran.map((s) => s.split(' ').slice(0, 2).join(' ')),
      ['COPY hello/', 'RUN gcc', 'COPY --from=build', 'WORKDIR /home/greeter'],
    )
    assert.equal(cli.ok(['run', '--rm', 'greeter']), GREETING)
  })

  const archive = join(cli.dir, 'greeter.tar')
  await t.test('skopeo reads the saved archive', (sub) => {
    cli.ok(['save', '-o', archive, 'greeter'], LIMIT)
    if (!requireProgram(sub, 'skopeo')) return
    for (const name of [`docker-archive:${archive}`, `oci-archive:${archive}`]) {
      const { config, rootfs } = JSON.parse(runProgram('skopeo', ['inspect', '--config', name]))
      assert.deepEqual([config.User, config.Cmd, rootfs.diff_ids.length], ['greeter', ['bin/hello'], 4])
    }
  })

  await t.test('podman runs the saved archive, with the same output', (sub) => {
    if (!podman.required(sub)) return
    podman.ok(['load', '-q', '-i', archive])
    // Without subordinate ids podman has no user but root.
    const user = HAS_SUBIDS ? [] : ['--user', '0']
    const output = podman.runs(sub, [...user, 'docker.io/library/greeter'])
    const expected = HAS_SUBIDS ? GREETING : 'hello from root (0)\n'
    if (output !== undefined) assert.equal(output, expected)
    assert.equal(cli.ok(['run', '--rm', ...(HAS_SUBIDS ? [] : ['-u', '0']), 'greeter']), expected)
  })
})

const OWNERS = `FROM debian:bookworm AS build
RUN adduser --disabled-password --gecos '' --uid 1500 greeter && adduser --system --group --uid 150 --home /srv/daemon daemon2
RUN install -d -o greeter -g www-data -m 2750 /srv/www && install -o www-data -g adm -m 640 /etc/hostname /srv/www/log \\
 && echo x > /srv/www/x && chown -R daemon2:daemon2 /srv/www/x && ln -s x /srv/www/link && chown -h greeter /srv/www/link
COPY --chown=greeter hello/ /home/greeter/src/
USER greeter
WORKDIR /home/greeter
RUN mkdir own && cp -r src own/ && id -un > own/name && su --version > /dev/null
FROM debian:bookworm
COPY --from=build /etc/passwd /etc/group /etc/shadow /etc/
COPY --from=build /srv/ /srv/
COPY --from=build --chown=greeter:greeter /home/greeter/own /home/greeter/own
USER greeter
CMD ["sh", "-c", "id -un; cat /home/greeter/own/name"]
`

for (const mode of HAS_SUBIDS ? ['subid', 'single'] : ['single'])
  test(`users and owners without packages, in ${mode} mode`, { timeout: 600_000 }, async (t) => {
    if (!(await requireDebian(t))) return
    const context = writeContext(cli, { ...project(), Dockerfile: OWNERS })
    const env = { SOURCE_DATE_EPOCH: '1700000000' }
    const args = ['--userns', mode, '-t', `owners-${mode}`]
    const first = cli.build(context, args, { ...LIMIT, env })
    assert.equal(cli.ok(['run', '--rm', '--userns', mode, `owners-${mode}`]), 'greeter\ngreeter\n')
    assertOwners(await savedImage(cli, `owners-${mode}`), {
      'srv/daemon': 'directory 755 150:150',
      'srv/www': 'directory 2750 1500:33',
      'srv/www/log': 'file 640 33:4',
      'srv/www/x': 'file 644 150:150',
      'srv/www/link': 'symlink 777 1500:33',
      'home/greeter/own/name': 'file 644 1500:1500',
      'home/greeter/own/src/main.c': 'file 644 1500:1500',
      'etc/shadow': 'file 640 0:42',
    })
    const again = cli.build(context, args, { ...LIMIT, env })
    assert.deepEqual([again.id, steps(again.log).ran], [first.id, []])
    const anew = cli.build(context, [...args, '--no-cache'], { ...LIMIT, env })
    assert.equal(anew.id, first.id)
  })

test('ten commands at once on one image', { timeout: 300_000 }, async (t) => {
  if (!(await requireDebian(t))) return
  const runs = Array.from({ length: 10 }, (_, n) =>
    cli.start(['run', '--rm', 'debian:bookworm', 'sh', '-c', `dpkg -l | wc -l > /n && test -s /n && echo ${n}`]),
  )
  const ended = await Promise.all(runs.map((r) => r.ended))
  assert.deepEqual(
    ended.map((r) => r.stdout),
    runs.map((_, n) => `${n}\n`),
    `${TSBOX}: ${ended.map((r) => r.stderr).join('')}`,
  )
})
