/** The package as npm makes it: installed where there is no compiler and no network, and built from its sources. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { REPO, requireBox, sharedCli } from '../helpers/cli.js'
import { requireProgram, runProgram } from '../helpers/programs.js'
import { tempDir } from '../helpers/temp.js'

const cli = sharedCli()
const dir = mkdtempSync(join(tmpdir(), 'tsbox-package-'))
after(() => rmSync(dir, { recursive: true, force: true }))

const NPM = realpathSync(runProgram('sh', ['-c', 'command -v npm']).trim())
let files: string[] = []
before(() => {
  const said = runProgram(process.execPath, [NPM, 'pack', '--json', '--pack-destination', dir], { cwd: REPO })
  // What `prepack` prints comes before it.
  const [pack] = JSON.parse(said.slice(said.indexOf('[\n'))) as [{ filename: string; files: { path: string }[] }]
  files = pack.files.map((f) => f.path)
})
const tarball = () => readdirSync(dir).find((n) => n.endsWith('.tgz'))!

test('the package has a helper for each machine, and needs no other package', () => {
  for (const name of ['dist/tsbox-helper-x64', 'dist/tsbox-helper-arm64', 'dist/LICENSES.txt', 'bin/tsbox'])
    assert.ok(files.includes(name), name)
  // The one built for this machine would be taken before those.
  assert.ok(!files.includes('dist/tsbox-helper'))
  assert.ok(files.includes('src/rootless/native/main.c'))
  assert.equal(JSON.parse(readFileSync(join(REPO, 'package.json'), 'utf8')).dependencies, undefined)
})

/** Steps inside a root file system that has Node and a shell, and nothing that compiles. */
const INSTALL = `
set -e
for c in gcc cc clang musl-gcc make; do if command -v $c; then exit 90; fi; done
node /npm/bin/npm-cli.js install --global --offline --prefix /opt --no-audit --no-fund /package/$1 >/tmp/npm.log 2>&1 ||
  { cat /tmp/npm.log; exit 91; }
export PATH=/opt/bin:$PATH TSBOX_ROOT=/store/tsbox
tsbox --version
tsbox image from-host inner sh echo >/dev/null
tsbox run --rm --network host inner sh -c 'echo it runs as $(( $(echo 0) ))'
`

test('it installs without a compiler and a network, and runs a container', async (t) => {
  if (!(await requireBox(t))) return
  cli.ok(['image', 'from-host', 'bare', 'sh', 'node', 'readlink', 'env', 'cat', 'echo'])
  const store = join(tempDir(t), 'store')
  mkdirSync(store)
  const volumes = [`${dirname(dirname(NPM))}:/npm:ro`, `${dir}:/package:ro`, `${store}:/store`]
  // It makes namespaces of its own, which the default profile does not allow.
  const options = ['--rm', '--privileged', '--network', 'none', ...volumes.flatMap((v) => ['-v', v])]
  const ran = cli.run(['run', ...options, 'bare', 'sh', '-c', INSTALL, 'install', tarball()])
  assert.equal(ran.code, 0, `${ran.stdout}${ran.stderr}`)
  assert.match(ran.stdout, /^tsbox version \d+\.\d+\.\d+.*\nit runs as 0\n$/s)
})

test('its helper can be built from the sources that it brings', (t) => {
  if (!requireProgram(t, 'gcc')) return
  const unpacked = tempDir(t)
  runProgram('tar', ['-xf', join(dir, tarball()), '-C', unpacked])
  const root = join(unpacked, 'package')
  runProgram(process.execPath, [join(root, 'scripts/build-native.mjs')])
  assert.ok(readdirSync(join(root, 'dist')).includes('tsbox-helper'))
})
