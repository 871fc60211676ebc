/**
 * Packages of a real distribution, installed with one id and with many: the same images come of it. `TSBOX_TEST_DEBIAN`
 * names a root's tar, as for test/integration/debian.test.ts.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { aptFiles } from '../helpers/apt.js'
import { type ContextFile, HAS_SUBIDS, requireBox, sharedCli, skip, writeContext } from '../helpers/cli.js'
import { requireProgram } from '../helpers/programs.js'
import { entryOf, ownerOf, type SavedImage, savedImage, type TarItem } from '../helpers/saved.js'

const cli = sharedCli()
const LIMIT = { timeoutMs: 600_000 }
const PROXIES = ['HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY']
  .flatMap((name) => [name, name.toLowerCase()])
  .filter((name) => process.env[name])
  .flatMap((name) => ['--build-arg', name])

const PACKAGES = 'nginx-light postgresql openssh-server cron adduser'
const RPM = 'rpm dnf createrepo-c'

/** The lists of packages, and the packages, once for all builds. */
const APT = `FROM debian:bookworm
COPY apt/ /etc/apt/
ENV DEBIAN_FRONTEND=noninteractive
RUN rm -f /etc/apt/apt.conf.d/docker-clean && apt-get update \\
 && apt-get install -y --no-install-recommends --download-only ${PACKAGES} \\
 && apt-get install -y --no-install-recommends --download-only ${RPM}
`

let ready: Promise<boolean> | undefined

function requireApt(t: TestContext): Promise<boolean> {
  ready ??= prepare(t)
  return ready
}

async function prepare(t: TestContext): Promise<boolean> {
  if (!(await requireBox(t))) return false
  const tar = process.env.TSBOX_TEST_DEBIAN
  if (!tar || !existsSync(tar))
    return skip(t, 'TSBOX_TEST_DEBIAN names no tar: sudo mmdebstrap --variant=minbase bookworm debian.tar')
  cli.ok(['import', tar, 'debian:bookworm'], LIMIT)
  const apt = Object.entries(aptFiles('bookworm')).map(([name, text]): [string, ContextFile] => [`apt/${name}`, text])
  cli.build(writeContext(cli, { ...Object.fromEntries(apt), Dockerfile: APT }), [...PROXIES, '-t', 'apt'], LIMIT)
  return true
}

async function built(name: string, mode: string, Dockerfile: string, files: Record<string, ContextFile> = {}) {
  const context = writeContext(cli, { ...files, Dockerfile })
  cli.build(context, [...PROXIES, '-t', name, '--userns', mode, '--no-cache'], LIMIT)
  return await savedImage(cli, name)
}

/** Everything of an entry but when it was made and what is in it. */
function identity(e: TarItem): string {
  return [e.type, e.mode.toString(8), `${e.uid}:${e.gid}`, e.link ?? '', e.device ?? '', ...e.xattrs].join(' ')
}

/** The topmost layer by path. */
function topOf(image: SavedImage): Map<string, TarItem> {
  return new Map(image.layers.at(-1)!.map((e) => [e.path, e]))
}

/** Paths whose entry, and paths whose content, is not in `found` as it is in both of two builds by real root. */
function differences(real: [SavedImage, SavedImage], found: SavedImage): { entries: string[]; contents: string[] } {
  const [a, b] = real.map(topOf) as [Map<string, TarItem>, Map<string, TarItem>]
  const c = topOf(found)
  const entries: string[] = []
  const contents: string[] = []
  for (const path of new Set([...a.keys(), ...b.keys(), ...c.keys()])) {
    const [x, y, z] = [a.get(path), b.get(path), c.get(path)]
    const same = x && z && identity(x) === identity(z)
    if (!same && (x && identity(x)) === (y && identity(y)))
      entries.push(`${path}: ${x ? identity(x) : 'absent'}, here ${z ? identity(z) : 'absent'}`)
    if (x && y && z && x.content.equals(y.content) && !x.content.equals(z.content)) contents.push(path)
  }
  return { entries, contents }
}

const SERVERS = `FROM apt
RUN apt-get install -y --no-install-recommends --no-download ${PACKAGES}
`

test('servers installed with one id are those that real root installs', { timeout: 900_000 }, async (t) => {
  if (!(await requireApt(t))) return
  const single = await built('servers-single', 'single', SERVERS)
  assert.match(ownerOf(single, 'usr/bin/crontab'), /^file 2755 0:1\d\d$/)
  assert.match(ownerOf(single, 'var/spool/cron/crontabs'), /^directory 1730 0:1\d\d$/)
  assert.match(ownerOf(single, 'var/lib/postgresql/15/main'), /^directory 700 1\d\d:1\d\d$/)
  assert.equal(ownerOf(single, 'var/log/nginx/access.log'), 'file 640 33:4')
  if (!HAS_SUBIDS) return
  const real: [SavedImage, SavedImage] = [
    await built('servers-subid', 'subid', SERVERS),
    await built('servers-again', 'subid', SERVERS),
  ]
  assert.deepEqual(differences(real, single), { entries: [], contents: [] })
})

test('what the servers are for works with one id', { timeout: 300_000 }, async (t) => {
  if (!(await requireApt(t))) return
  const run = (script: string) =>
    cli
      .ok(['run', '--rm', '--userns', 'single', '--network', 'none', 'servers-single', 'sh', '-euc', script], LIMIT)
      .trim()
  // A cluster that runs as its user, asked over a socket that tells users apart.
  assert.equal(
    run(`pg_ctlcluster 15 main start; su postgres -c "createuser root"; su postgres -c "createdb root"
      psql -Atc "select current_user"; su nobody -s /bin/sh -c "psql -Atc 'select 1' postgres" 2>&1 | grep -o 'role "nobody" does not exist'
      pg_ctlcluster 15 main stop`),
    'root\nrole "nobody" does not exist',
  )
  assert.equal(
    run(`adduser --disabled-password --gecos '' maria >/dev/null; su - maria -c 'id -un; touch f; mkdir -m 700 d; stat -c %U:%G f d'
      echo '* * * * * true' | crontab -u maria -; stat -c '%U:%G %a' /var/spool/cron/crontabs/maria
      su maria -c 'crontab -l'; su maria -c 'echo no > /home/maria/f; chown root /home/maria/f' 2>/dev/null || echo refused
      deluser --remove-home maria >/dev/null 2>&1; ls /home`),
    'maria\nmaria:maria\nmaria:maria\nmaria:crontab 600\n* * * * * true\nrefused',
  )
  assert.match(run('nginx -t 2>&1; mkdir -p /run/sshd; /usr/sbin/sshd -t; echo fine'), /successful[\s\S]*fine/)
})

const SPEC = `Name: owned
Version: 1
Release: 1
Summary: files of others
License: none
BuildArch: noarch
%description
Files of others.
%install
mkdir -p %{buildroot}/opt/owned/dir
echo x > %{buildroot}/opt/owned/file
ln -s file %{buildroot}/opt/owned/link
%files
%attr(4750, daemon, games) /opt/owned/file
%attr(2770, games, mail) /opt/owned/dir
%attr(-, news, news) /opt/owned/link
%caps(cap_net_bind_service=ep) %attr(755, root, root) /opt/owned/bound
`.replace('ln -s', 'cp %{buildroot}/opt/owned/file %{buildroot}/opt/owned/bound\nln -s')

const RPM_STEPS = `FROM apt
RUN apt-get install -y --no-install-recommends --no-download ${RPM}
COPY owned.spec /
RUN rpmbuild -bb --define '_topdir /b' --define '_build_id_links none' /owned.spec && mkdir /repo && cp /b/RPMS/noarch/*.rpm /repo/ && createrepo_c -q /repo && rm -r /b
RUN mkdir -p /by-rpm/etc /by-dnf/etc && for r in by-rpm by-dnf; do cp /etc/passwd /etc/group /$r/etc/; done
RUN rpm --root /by-rpm --initdb && rpm --root /by-rpm -i --nodeps /repo/*.rpm \\
 && dnf -y -q --installroot /by-dnf --releasever 1 --nogpgcheck --repofrompath r,file:///repo --repo r --setopt=reposdir=/none install owned \\
 && rpm --root /by-rpm -V --nodeps owned
`
const OWNED = {
  'opt/owned/file': 'file 4750 1:60',
  'opt/owned/dir': 'directory 2770 5:8',
  'opt/owned/link': 'symlink 777 9:9',
  'opt/owned/bound': 'file 755 0:0',
}

test('rpm and dnf install files of others with one id', { timeout: 600_000 }, async (t) => {
  if (!(await requireApt(t))) return
  const image = await built('rpm', 'single', RPM_STEPS, { 'owned.spec': SPEC })
  for (const root of ['by-rpm', 'by-dnf'])
    for (const [path, owner] of Object.entries(OWNED)) assert.equal(ownerOf(image, `${root}/${path}`), owner, root)
  for (const root of ['by-rpm', 'by-dnf'])
    assert.deepEqual(entryOf(image, `${root}/opt/owned/bound`)?.xattrs, ['security.capability'])
})

/** A Go program has no libc: it calls the kernel itself, and changes ids on all of its threads. */
const GO = `package main

import (
	"fmt"
	"os"
	"runtime"
	"sync"
	"syscall"
)

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func owner(path string) string {
	st, err := os.Lstat(path)
	check(err)
	sys := st.Sys().(*syscall.Stat_t)
	return fmt.Sprintf("%s %d:%d", path, sys.Uid, sys.Gid)
}

func main() {
	check(os.WriteFile("/f", nil, 0644))
	check(os.Symlink("f", "/l"))
	check(os.Chown("/f", 5, 6))
	check(os.Lchown("/l", 7, 8))
	check(os.MkdirAll("/d", 0777))
	check(os.Chmod("/d", 0777))
	check(syscall.Setgroups([]int{40, 30}))
	check(syscall.Setgid(101))
	check(syscall.Setuid(100))
	var all sync.WaitGroup
	for i := 0; i < 40; i++ {
		all.Add(1)
		go func(i int) {
			defer all.Done()
			runtime.LockOSThread()
			path := fmt.Sprintf("/d/%d", i)
			check(os.WriteFile(path, nil, 0600))
			if owner(path) != path+" 100:101" || os.Getuid() != 100 {
				panic(owner(path))
			}
		}(i)
	}
	all.Wait()
	groups, err := os.Getgroups()
	check(err)
	fmt.Println(owner("/f"), owner("/l"), owner("/d/39"), groups, syscall.Chown("/f", 0, 0))
}
`

test('a static Go program has its ids on every thread', { timeout: 300_000 }, async (t) => {
  if (!(await requireApt(t)) || !requireProgram(t, 'go', 'golang-go')) return
  const dir = mkdtempSync(join(cli.dir, 'go-'))
  writeFileSync(join(dir, 'main.go'), GO)
  const env = { ...process.env, GOCACHE: join(dir, 'cache'), GOFLAGS: '', CGO_ENABLED: '0' }
  const compiled = spawnSync('go', ['build', '-o', join(dir, 'prog'), join(dir, 'main.go')], { env, encoding: 'utf8' })
  assert.equal(compiled.status, 0, compiled.stderr)
  const Dockerfile = 'FROM scratch\nCOPY prog /prog\nRUN ["/prog"]\n'
  const context = writeContext(cli, { Dockerfile, prog: { text: readFileSync(join(dir, 'prog')), mode: 0o755 } })
  const { log } = cli.build(context, ['-t', 'go', '--userns', 'single'])
  assert.match(log, /\/f 5:6 \/l 7:8 \/d\/39 100:101 \[30 40\] operation not permitted$/m)
  const image = await savedImage(cli, 'go')
  assert.deepEqual([ownerOf(image, 'l'), ownerOf(image, 'd/7')], ['symlink 777 7:8', 'file 600 100:101'])
})
