/** `cp` into and out of containers that exchange links and folders meanwhile, or have links where it goes. */
import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { before } from 'node:test'
import { attackInModes, makeCanary, makeEvil } from '../helpers/attack.js'
import { makeBase, type Ran, sharedCli, writeContext } from '../helpers/cli.js'

const cli = sharedCli()
before(() => makeBase(cli))

const UP = '../'.repeat(14)
const TRIES = 4

attackInModes('CVE-2018-15664', 'a container that exchanges links while files are copied', (t, mode) => {
  const image = makeEvil(t, cli, mode)
  if (!image) return
  const { dir, assertUntouched } = makeCanary(cli)
  const ours = writeContext(cli, { secret: 'from outside', 'sub/file': 'from outside' })
  const ran: Ran[] = []
  for (const [n, link] of [dir, `${UP}${dir}`].entries()) {
    const name = `flips-${mode}-${n}`
    const script = `mkdir -p /w/a/sub && echo inside > /w/a/secret && ln -s ${link} /w/b && exec /attack flip /w/a /w/b /stop`
    cli.ok(['run', '-d', '--name', name, '--userns', mode, image, 'sh', '-c', script])
    try {
      for (let i = 0; i < TRIES; i++) {
        const out = join(writeContext(cli, {}), 'out')
        ran.push(cli.run(['cp', `${name}:/w/a/secret`, out]))
        ran.push(cli.run(['cp', '-L', `${name}:/w/a/`, `${out}-dir`]))
        ran.push(cli.run(['cp', `${ours}/secret`, `${name}:/w/a/secret`]))
        ran.push(cli.run(['cp', `${ours}/.`, `${name}:/w/a/`]))
        ran.push(cli.run(['cp', `${name}:/w/a/secret`, '-']))
        assert.ok(!contents(join(out, '..')).includes('only-the-host-has-this'), 'nothing of the host comes out')
      }
    } finally {
      cli.ok(['rm', '-f', name])
    }
  }
  assertUntouched(...ran)
  assert.deepEqual(cli.leftovers(), [])
})

attackInModes('CVE-2018-15664', 'links at rest lead nowhere, into a container and out of it', (_, mode) => {
  const { dir, assertUntouched } = makeCanary(cli)
  const name = `links-${mode}`
  const script = `ln -s ${dir} /abs; ln -s ${UP}${dir} /up; mkdir /d; ln -s ${dir}/file /d/file; ln -s /proc/1/root /root-of-1; ln -s /proc/1/fd/3 /fd`
  cli.ok(['run', '-d', '--name', name, '--userns', mode, 'base', 'sh', '-c', `${script}; sleep 100`])
  const ours = writeContext(cli, { file: 'from outside', 'sub/x': 'from outside' })
  const out = writeContext(cli, {})
  mkdirSync(join(out, 'o'))
  const ran = ['/abs/secret', '/up/secret', '/abs', '/d', `/root-of-1${dir}/secret`, `/fd/${UP}${dir}`].flatMap(
    (path) => [
      cli.run(['cp', `${name}:${path}`, join(out, 'o')]),
      cli.run(['cp', '-L', `${name}:${path}`, join(out, 'o')]),
      cli.run(['cp', join(ours, 'file'), `${name}:${path}`]),
      cli.run(['cp', `${ours}/.`, `${name}:${path}/`]),
    ],
  )
  assertUntouched(...ran)
  assert.ok(!contents(out).includes('only-the-host-has-this'), 'nothing of the host comes out')
  // What was copied out are links themselves; a second copy does not go through them.
  assertUntouched(cli.run(['cp', `${name}:/d/.`, join(out, 'o')]), cli.run(['cp', `${name}:/abs`, join(out, 'o')]))
  cli.ok(['rm', '-f', name])
})

/** Text of all files below a folder; links are looked at, not followed. */
function contents(dir: string): string {
  return readdirSync(dir, { withFileTypes: true })
    .map((e) => {
      const path = join(dir, e.name)
      return e.isDirectory() ? contents(path) : e.isFile() ? readFileSync(path, 'latin1') : ''
    })
    .join('\n')
}
