// Runs everyday commands of a pack in a throw-away store and tells what V8 compiled for them, so that no start has to
// compile it again: `node scripts/code-cache.mjs PACK INDEX.json CACHES.json`. Started by pack.mjs as a process of its
// own, because what is compiled depends on nothing else having run.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import esbuild from 'esbuild'
import { root } from './bundle.mjs'

const [packFile, indexFile, cachesFile] = process.argv.slice(2)

/** The loader as the entry has it: V8 takes compiled code only for the very same text. */
async function loader() {
  const entryPoints = [join(root, 'src/cli/pack.ts')]
  const built = await esbuild.build({ entryPoints, bundle: true, platform: 'node', format: 'cjs', write: false })
  const module = { exports: {} }
  new Function('module', 'require', built.outputFiles[0].text)(module, createRequire(import.meta.url))
  return module.exports
}

/** A shell that shows nothing and has no terminal. */
function silentShell(openEngine, scratch) {
  const output = { write: () => {}, isTerminal: false, columns: () => 80, rows: () => 24 }
  return {
    env: { PATH: process.env.PATH, HOME: scratch, TSBOX_ROOT: join(scratch, 'store'), TSBOX_DIST: dirname(packFile) },
    cwd: scratch,
    stdout: output,
    stderr: output,
    stdin: { isTerminal: false, stream: async function* () {} },
    now: Date.now,
    onInterrupt: () => () => {},
    openEngine,
  }
}

const COMMANDS = [
  ['build', '-t', 'warm', '.'],
  ['build', '-t', 'warm', '.'],
  ['run', '--rm', '-e', 'A=B', 'warm', 'true'],
  ['images'],
  ['inspect', '--format', '{{json .Config}} {{range .RepoTags}}{{.}}{{end}}', 'warm'],
  ['history', 'warm'],
  ['tag', 'warm', 'warm:2'],
  ['rmi', 'warm:2'],
  ['ps', '-a'],
  ['image', 'ls', '-q'],
  ['nope'],
]

const { Pack } = await loader()
const index = JSON.parse(readFileSync(indexFile, 'utf8'))
const pack = new Pack(packFile, index)
const scratch = mkdtempSync(join(tmpdir(), 'tsbox-warm-'))
try {
  writeFileSync(join(scratch, 'Dockerfile'), 'FROM scratch\nARG A=1\nENV A=$A\nCOPY f /d/\nCMD ["/d/f"]\n')
  writeFileSync(join(scratch, 'f'), 'f')
  const program = pack.load('start')
  const shell = silentShell(program.processShell().openEngine, scratch)
  // What fails here (no helper, no namespaces) is compiled as far as it came.
  for (const argv of COMMANDS) await program.main(argv, shell)
} finally {
  rmSync(scratch, { recursive: true, force: true })
}
const caches = Object.keys(index).map((name) => [name, pack.script(name).createCachedData().toString('base64')])
writeFileSync(cachesFile, JSON.stringify(Object.fromEntries(caches)))
process.exit(0)
