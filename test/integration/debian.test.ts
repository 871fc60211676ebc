/**
 * The first real job: a Debian root file system goes in, apt installs a compiler and a server on it, a C project is
 * built, a second stage runs what came of it as a user of its own.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type Cli, HAS_SUBIDS, onPath, openCli, REPO, requireBox, skip, writeContext } from '../helpers/cli.js'
import { ownerOf, savedImage } from '../helpers/saved.js'

/** A tar of a Debian bookworm root: `mmdebstrap --variant=minbase bookworm FILE`. */
const rootfs = process.env.TSBOX_TEST_DEBIAN

/** What apt does; where the machine reaches its packages, it is what apt would do as root. */
const APT = `FROM debian:bookworm AS build
COPY apt/ /etc/apt/
RUN apt-get -q update && apt-get -q install -y --no-install-recommends gcc libc6-dev nginx-light
COPY hello/ /src/
RUN gcc -O2 -Wall -o /src/hello /src/main.c /src/greeting.c
`

/** The same with what sets owners in place of apt; the program is a script. */
const NO_APT = `FROM debian:bookworm AS build
RUN adduser --system --group --home /var/lib/service service && install -o service -g adm -m 640 /dev/null /var/log/service.log
RUN mkdir -p /var/www && chown -R www-data:www-data /var/www && chown -h www-data /var/run
COPY hello/ /src/
RUN printf '#!/bin/sh\\necho "hello from $(id -un) ($(id -u))"\\n' > /src/hello && chmod 755 /src/hello
`

const FINAL = `FROM debian:bookworm
RUN useradd --create-home --uid 1234 app && install -d -o app -g app -m 750 /data
COPY --from=build --chown=app:app /src/hello /usr/local/bin/hello
USER app
CMD ["hello"]
`

interface Job {
  mode: 'subid' | 'single'
  apt: boolean
}

const jobs: Job[] = HAS_SUBIDS
  ? [
      { mode: 'subid', apt: true },
      { mode: 'single', apt: false },
    ]
  : [{ mode: 'single', apt: true }]

for (const { mode, apt } of jobs)
  test(`Debian in ${mode} mode, ${apt ? 'with apt' : 'with chown, install and adduser'}`, async (t) => {
    if (!rootfs)
      return void skip(t, 'TSBOX_TEST_DEBIAN names no root file system: mmdebstrap --variant=minbase bookworm FILE')
    if (!(await requireBox(t))) return
    const cli = openCli(t)
    cli.ok(['import', rootfs, 'debian:bookworm'])
    const context = makeContext(cli, `${apt ? APT : NO_APT}${FINAL}`)
    const flags = ['--userns', mode, '-t', 'app']
    const first = cli.build(context, flags, { timeoutMs: 400_000 })
    assert.equal(cli.ok(['run', '--rm', '--userns', mode, 'app']), 'hello from app (1234)\n')

    await owners(cli, context, { mode, apt })
    assert.deepEqual(executed(cli.build(context, flags)), { steps: 0, id: first.id }, 'nothing changed, nothing runs')

    writeFileSync(
      join(context, 'hello/greeting.c'),
      '#include "greeting.h"\nconst char *greeting(void) { return "hullo"; }\n',
    )
    const changed = cli.build(context, flags)
    assert.doesNotMatch(changed.log, /Setting up nginx|Adding new user/, 'the steps below the change stay cached')
    assert.ok(executed(changed).steps > 0)

    if (HAS_SUBIDS) foreign(t, cli, cli.ok(['run', '--rm', '--userns', mode, 'app']))
  })

function makeContext(cli: Cli, Dockerfile: string): string {
  const context = writeContext(cli, { Dockerfile, 'apt/apt.conf.d/80tsbox-test': 'Acquire::Retries "2";\n' })
  cpSync(join(REPO, 'fixtures/projects/hello'), join(context, 'hello'), { recursive: true })
  for (const name of ['sources.list', 'sources.list.d', 'apt.conf.d', 'auth.conf.d', 'trusted.gpg.d'])
    copyApt(join('/etc/apt', name), join(context, 'apt', name))
  return context
}

/** The machine's own configuration: only Debian's sources, as their keys are the only ones that the root has. */
function copyApt(from: string, to: string): void {
  if (!existsSync(from)) return
  cpSync(from, to, {
    recursive: true,
    filter: (path) => {
      if (!/\.(list|sources)$/.test(path)) return !/docker-|\d\d(packagekit|appstream)/.test(path)
      return /debian\.org|debian-archive-keyring/.test(readFileSync(path, 'utf8'))
    },
  })
}

/** How many steps ran something. */
function executed({ id, log }: { id: string; log: string }): { steps: number; id: string } {
  const steps = new Set([...log.matchAll(/^#(\d+) \[.*?\] (?:RUN|COPY|WORKDIR)/gm)].map((m) => m[1]))
  const cached = new Set([...log.matchAll(/^#(\d+) CACHED$/gm)].map((m) => m[1]))
  return { steps: [...steps].filter((n) => !cached.has(n)).length, id }
}

/** Owners as dpkg, chown and install set them, in the tars that others will read. */
async function owners(cli: Cli, context: string, { mode, apt }: Job): Promise<void> {
  const app = await savedImage(cli, 'app')
  assert.equal(ownerOf(app, 'data'), 'directory 750 1234:1234')
  assert.equal(ownerOf(app, 'home/app'), 'directory 755 1234:1234')
  assert.equal(ownerOf(app, 'usr/local/bin/hello'), 'file 755 1234:1234')
  cli.build(context, ['--userns', mode, '--target', 'build', '-t', 'stage'])
  const stage = await savedImage(cli, 'stage')
  const expected: Record<string, string> = apt
    ? {
        'var/log/nginx': 'directory 755 0:4',
        'var/log/nginx/access.log': 'file 640 33:4',
        'etc/nginx/nginx.conf': 'file 644 0:0',
        'usr/sbin/nginx': 'file 755 0:0',
      }
    : {
        'var/www': 'directory 755 33:33',
        'var/lib/service': 'directory 755 100:101',
        'var/log/service.log': 'file 640 100:4',
        'var/run': 'symlink 777 33:0',
      }
  assert.deepEqual(Object.fromEntries(Object.keys(expected).map((p) => [p, ownerOf(stage, p)])), expected)
}

/** The archive means the same to skopeo and to podman. */
function foreign(t: TestContext, cli: Cli, output: string): void {
  const path = join(cli.dir, 'app.tar')
  cli.ok(['save', '-o', path, 'app'])
  for (const program of ['skopeo', 'podman']) if (!onPath(program)) return void skip(t, `${program} is not installed`)
  const inspected = run('skopeo', ['inspect', '--config', `docker-archive:${path}`])
  assert.equal((JSON.parse(inspected) as { config: { User: string } }).config.User, 'app')
  const place = [
    '--root',
    join(cli.dir, 'podman'),
    '--runroot',
    join(cli.dir, 'podman-run'),
    '--storage-driver',
    'vfs',
    '--cgroup-manager',
    'cgroupfs',
  ]
  t.after(() => spawnSync('podman', [...place, 'system', 'reset', '-f']))
  run('podman', [...place, 'load', '-q', '-i', path])
  const said = run(
    'podman',
    [
      ...place,
      '--runtime',
      'runc',
      'run',
      '--rm',
      '--network',
      'none',

      'docker.io/library/app',
    ],
    true,
  )
  assert.equal(said, output)
}

function run(program: string, args: readonly string[], shown = false): string {
  const env = { ...process.env, XDG_RUNTIME_DIR: undefined }
  const ran = spawnSync(program, args, { encoding: 'utf8', env, timeout: 200_000 })
  if (ran.status !== 0) throw new Error(`${program} ${args.join(' ')}: ${ran.status}\n${ran.stdout}${ran.stderr}`)
  return shown ? ran.stdout : ran.stdout.trim()
}
