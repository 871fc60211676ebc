/** Owners, modes, links and capabilities of what steps make, read from the saved layers by a foreign reader. */
import assert from 'node:assert/strict'
import { before, type TestContext, test } from 'node:test'
import { HAS_SUBIDS, makeBase, onPath, requireBox, sharedCli, skip, writeContext } from '../helpers/cli.js'
import { entryOf, ownerOf, type SavedImage, savedImage } from '../helpers/saved.js'

const cli = sharedCli()
before(() => makeBase(cli, ['setcap', 'getcap']))

const MODES = HAS_SUBIDS ? ['subid', 'single'] : ['single']

/** Builds and reads a Dockerfile's image. */
async function built(mode: string, name: string, Dockerfile: string): Promise<SavedImage> {
  cli.build(writeContext(cli, { Dockerfile, file: 'file\n' }), ['-t', `${name}-${mode}`, '--userns', mode])
  return savedImage(cli, `${name}-${mode}`)
}

function assertOwners(image: SavedImage, expected: Record<string, string>): void {
  const found = Object.fromEntries(Object.keys(expected).map((path) => [path, ownerOf(image, path)]))
  assert.deepEqual(found, expected)
}

const USERS = `FROM base
RUN echo 'worker:x:1234:1235::/home/worker:/bin/sh' >> /etc/passwd && echo 'worker:x:1235:' >> /etc/group \\
 && mkdir -p /home/worker && chown worker:worker /home/worker && chmod 700 /home/worker
`

const OWNERS = `${USERS}
RUN mkdir /o && cd /o && echo a > file && chown 1000:1001 file && ln file hard && ln -s file link && chown -h 7:8 link \\
 && ln -s nowhere broken && chown -h worker broken \\
 && echo s > setuid && chown 5:6 setuid && chmod 4755 setuid && echo g > setgid && chown 0:6 setgid && chmod 2750 setgid \\
 && mkdir shared && chown :worker shared && chmod 3775 shared && echo x > shared/x && chown 65533:65532 shared/x
COPY --chown=worker:33 --chmod=640 file /o/copied
COPY --chown=44 file /o/deep/new/
RUN install -o worker -g 33 -m 751 /o/file /o/installed && install -d -o 10 -g 11 -m 700 /o/folder
RUN cp -a /o/setuid /o/copy && mv /o/shared /o/moved && chown -R 21:22 /o/moved && chmod -R g-s /o/moved
USER worker
WORKDIR /home/worker/made
RUN cd && echo mine > mine && mkdir own && umask 077 && echo > own/private && id > /tmp/id
`

for (const mode of MODES)
  test(`layers have the owners that steps set, in ${mode} mode`, async (t) => {
    if (!(await requireBox(t))) return
    const image = await built(mode, 'owners', OWNERS)
    assertOwners(image, {
      'home/worker': 'directory 700 1234:1235',
      'o/file': 'file 644 1000:1001',
      'o/link': 'symlink 777 7:8',
      'o/broken': 'symlink 777 1234:0',
      'o/setuid': 'file 4755 5:6',
      'o/setgid': 'file 2750 0:6',
      'o/copied': 'file 640 1234:33',
      'o/deep': 'directory 755 44:44',
      'o/deep/new/file': 'file 644 44:44',
      'o/installed': 'file 751 1234:33',
      'o/folder': 'directory 700 10:11',
      'o/copy': 'file 4755 5:6',
      'o/moved': 'directory 1775 21:22',
      'o/moved/x': 'file 644 21:22',
      'home/worker/mine': 'file 644 1234:1235',
      'home/worker/own/private': 'file 600 1234:1235',
      'home/worker/made': 'directory 755 1234:1235',
    })
    assert.equal(entryOf(image, 'o/link')?.link, 'file')
    assert.match(String(entryOf(image, 'tmp/id')?.content), /^uid=1234\(worker\) gid=1235\(worker\)/)
    assert.ok(entryOf(image, 'o/.wh.shared'), 'the moved folder is gone from its old place')
    // A file with two names is stored once.
    const names = ['o/file', 'o/hard'].map((p) => entryOf(image, p)!)
    assert.deepEqual(names.map((e) => e.type).sort(), ['file', 'link'])
    const ls = ['stat', '-c', '%n %u:%g %a', '/o/file', '/o/hard', '/o/setuid', '/o/moved/x', '/home/worker/mine']
    assert.equal(
      cli.ok(['run', '--rm', '--userns', mode, '-u', '0', `owners-${mode}`, ...ls]),
      '/o/file 1000:1001 644\n/o/hard 1000:1001 644\n/o/setuid 5:6 4755\n/o/moved/x 21:22 644\n/home/worker/mine 1234:1235 644\n',
    )
  })

for (const mode of MODES)
  test(`steps see what earlier ones made under the same owners, in ${mode} mode`, async (t) => {
    if (!(await requireBox(t))) return
    const image = await built(
      mode,
      'seen',
      `${USERS}
RUN echo > /a && chown 1000:1000 /a && mkdir /d && chown worker /d && ln -s x /d/l && chown -h 3:4 /d/l
RUN stat -c '%n %u:%g' /a /d /d/l > /seen && chown --from=1000 2000 /a && chmod 600 /a
RUN find / -xdev -uid 2000 > /found && stat -c '%u:%g %a' /a >> /found
`,
    )
    assert.equal(String(entryOf(image, 'seen')?.content), '/a 1000:1000\n/d 1234:0\n/d/l 3:4\n')
    assert.equal(String(entryOf(image, 'found')?.content), '/a\n2000:1000 600\n')
  })

for (const mode of MODES)
  test(`a device is refused or recorded, in ${mode} mode`, async (t) => {
    if (!(await requireBox(t))) return
    const image = await built(
      mode,
      'device',
      'FROM base\nRUN mknod /null c 1 3 2>/dev/null && chown 3:4 /null && chmod 640 /null || echo refused > /refused\nRUN mknod /pipe p && chown 5:6 /pipe\n',
    )
    if (!entryOf(image, 'refused'))
      assert.deepEqual([ownerOf(image, 'null'), entryOf(image, 'null')?.device], ['character-device 640 3:4', '1:3'])
    assert.equal(ownerOf(image, 'pipe'), 'fifo 644 5:6')
  })

/** `setcap` is not installed everywhere, and not every file system under the store keeps what it sets. */
function requireSetcap(t: TestContext): boolean {
  return onPath('setcap') || skip(t, 'setcap is not installed: sudo apt-get install libcap2-bin')
}

for (const mode of MODES)
  test(`file capabilities are in the layer, in ${mode} mode`, async (t) => {
    if (!(await requireBox(t)) || !requireSetcap(t)) return
    const image = await built(
      mode,
      'capability',
      'FROM base\nRUN cp /bin/true /prog && setcap cap_net_bind_service=+ep /prog && getcap /prog\nRUN getcap /prog > /seen\n',
    )
    assert.deepEqual(entryOf(image, 'prog')?.xattrs, ['security.capability'])
    assert.match(String(entryOf(image, 'seen')?.content), /cap_net_bind_service[=+]+ep/)
    cli.ok(['save', '-o', `${cli.dir}/cap.tar`, `capability-${mode}`])
    cli.ok(['rmi', `capability-${mode}`])
    cli.ok(['load', '-i', `${cli.dir}/cap.tar`])
    assert.match(cli.ok(['run', '--rm', '--userns', mode, `capability-${mode}`, 'getcap', '/prog']), /bind_service/)
  })

if (HAS_SUBIDS)
  test('what was made in one id mode is used in the other', async (t) => {
    if (!(await requireBox(t))) return
    for (const [one, other] of [
      ['subid', 'single'],
      ['single', 'subid'],
    ] as const) {
      const name = `made-in-${one}`
      const Dockerfile = `FROM base\nRUN echo ${name} > /a && chown 5:6 /a\nRUN echo b > /b\n`
      cli.build(writeContext(cli, { Dockerfile }), ['-t', name, '--userns', one])
      const more = `FROM base\nRUN echo ${name} > /a && chown 5:6 /a\nRUN stat -c %u:%g /a > /seen\nCOPY --chown=7 x /x\n`
      const { log } = cli.build(writeContext(cli, { Dockerfile: more, x: '' }), ['-t', 'more', '--userns', other])
      assert.match(log, /^#\d+ \[2\/4\].*\n#\d+ CACHED$/m)
      assert.equal(String(entryOf(await savedImage(cli, 'more'), 'seen')?.content), '5:6\n')
      const ls = ['stat', '-c', '%u:%g', '/a', '/b']
      assert.equal(cli.ok(['run', '--rm', '--userns', other, name, ...ls]), '5:6\n0:0\n')
      assert.equal(ownerOf(await savedImage(cli, name), 'a'), 'file 644 5:6')
    }
  })

test('COPY gives what the Dockerfile says, and root where it says nothing', async (t) => {
  if (!(await requireBox(t))) return
  const context = writeContext(cli, {
    Dockerfile: `FROM base
COPY --chown=1:2 --chmod=u=rw,go=r tree /a/
COPY tree/run /b
COPY --chown=nobody-knows tree/run /c
ADD --chown=0:50 tree /d
COPY --from=0 /bin/true /e
`.replace('--from=0', '--from=base'),
    'tree/run': { text: 'run', mode: 0o755 },
    'tree/sub/link': { link: '../run' },
  })
  const { log } = cli.build(context, ['-t', 'copied'])
  assert.match(log, /warning: no user "nobody-knows"/)
  assertOwners(await savedImage(cli, 'copied'), {
    a: 'directory 755 1:2',
    'a/run': 'file 644 1:2',
    'a/sub/link': 'symlink 777 1:2',
    b: 'file 755 0:0',
    c: 'file 755 0:0',
    'd/run': 'file 755 0:50',
    e: 'file 755 0:0',
  })
})
