// Builds dist/: the command line (cli.cjs, a bundle that it loads, the bundle's compiled code), workers, the C helper.
// Does nothing where nothing changed: `node scripts/build.mjs [--force]`; --bundles leaves the helper as it is.
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, relative } from 'node:path'
import { pathToFileURL } from 'node:url'
import esbuild from 'esbuild'
import { filesBelow, nodeBundle, root } from './bundle.mjs'
import { licenseText, notePackages } from './licenses.mjs'
import { buildPack, splitProgram } from './pack.mjs'

const dist = join(root, 'dist')
const version = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version

/** What the bundles are made of. */
function sourceKey() {
  const hash = createHash('sha256').update(process.version).update(process.arch)
  const files = [
    ...filesBelow(join(root, 'src'), '.ts'),
    ...filesBelow(join(root, 'scripts/stubs'), '.mjs'),
    ...['build.mjs', 'bundle.mjs', 'licenses.mjs', 'pack.mjs', 'warm-pack.mjs'].map((f) => join(root, 'scripts', f)),
    ...['package.json', 'package-lock.json', 'tsconfig.json'].map((f) => join(root, f)),
  ]
  for (const f of files)
    hash
      .update(`${relative(root, f)}\0`)
      .update(readFileSync(f))
      .update('\0')
  return hash.digest('hex')
}

/** True when the last build was of these sources and nothing of it was deleted. */
function isCurrent(key) {
  try {
    const built = JSON.parse(readFileSync(join(dist, 'build.json'), 'utf8'))
    return built.key === key && built.files.every((f) => existsSync(join(dist, f)))
  } catch {
    return false
  }
}

/** Heavy parts of yargs give way to small equivalents; scripts/stubs says why. */
const slimYargs = {
  name: 'slim-yargs',
  setup(build) {
    const packages = join(root, 'node_modules')
    const stub = (name) => ({ path: join(root, 'scripts/stubs', name) })
    build.onResolve({ filter: /^yargs$/ }, () => stub('yargs.mjs'))
    build.onResolve({ filter: /^yargs\/helpers$/ }, () => stub('yargs-helpers.mjs'))
    build.onResolve({ filter: /^string-width$/ }, () => stub('string-width.mjs'))
    build.onResolve({ filter: /^#cliui$/ }, () => ({ path: join(packages, 'cliui/build/lib/index.js') }))
    build.onResolve({ filter: /^#yargs(-parser)?\// }, ({ path }) => {
      const [name, ...rest] = path.slice(1).split('/')
      return { path: join(packages, name, 'build/lib', ...rest) }
    })
  },
}

/** Folders of the packages that bundles have parts of. */
const packages = new Set()

const program = {
  ...nodeBundle,
  plugins: [slimYargs, notePackages(packages)],
  write: false,
  legalComments: 'eof',
  // Blanks and long names cost reading at every start.
  minify: true,
  define: { ...nodeBundle.define, TSBOX_VERSION: JSON.stringify(version) },
}

async function bundleText(entry, { define = {}, banner = program.banner } = {}) {
  const built = await esbuild.build({
    ...program,
    banner,
    entryPoints: [join(root, entry)],
    define: { ...program.define, ...define },
  })
  return built.outputFiles[0].text
}

function writeWhole(name, text) {
  const part = join(dist, `${name}.${process.pid}`)
  writeFileSync(part, text)
  renameSync(part, join(dist, name))
}

/** Threads are files of their own: `src/…/wasi/worker.ts` becomes `wasi-worker.cjs`. */
async function buildWorkers() {
  const workers = filesBelow(join(root, 'src'), '.ts').filter((f) => basename(f) === 'worker.ts')
  return await Promise.all(
    workers.map(async (file) => {
      const name = `${basename(dirname(file))}-worker.cjs`
      writeWhole(name, await bundleText(relative(root, file)))
      return name
    }),
  )
}

/** The command line: a pack, and the small file that opens it. @returns names of the files */
async function buildCli() {
  const entryPoints = [join(root, 'src/cli/start.ts')]
  const pack = buildPack(dist, await splitProgram({ ...program, banner: {}, entryPoints }))
  const define = { TSBOX_PACK: JSON.stringify(pack.name), TSBOX_PACK_INDEX: JSON.stringify(pack.index) }
  writeWhole('cli.cjs', await bundleText('src/cli/entry.ts', { define, banner: {} }))
  return ['cli.cjs', pack.name]
}

function removeOld(keep) {
  for (const f of readdirSync(dist))
    if (/^tsbox-.*\.pack$/.test(f) && !keep.includes(f)) rmSync(join(dist, f), { force: true })
}

async function buildHelper() {
  const { buildNative } = await import(pathToFileURL(join(root, 'scripts/build-native.mjs')).href)
  try {
    buildNative({ log: (line) => console.log(line) })
  } catch (err) {
    const kept = existsSync(join(dist, 'tsbox-helper'))
    console.error(`build: the helper was not compiled: ${err.message}`)
    console.error(kept ? 'build: the one of the last build is kept' : 'build: without it no container can be started')
  }
}

mkdirSync(dist, { recursive: true })
if (!process.argv.includes('--bundles')) await buildHelper()
const key = sourceKey()
if (process.argv.includes('--force') || !isCurrent(key)) {
  const files = [...(await buildWorkers()), ...(await buildCli()), 'LICENSES.txt']
  writeWhole('LICENSES.txt', licenseText(packages))
  removeOld(files)
  writeWhole('build.json', `${JSON.stringify({ key, files }, null, 2)}\n`)
  console.log(`built dist/ (${files.join(', ')})`)
}
