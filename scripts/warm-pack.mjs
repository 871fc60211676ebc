// Runs everyday commands of a pack in a throw-away store and tells which modules each of them loads, and what V8
// compiled, so that no start has to compile it again: `node scripts/warm-pack.mjs PACK INDEX.json TOLD.json`. Started by
// pack.mjs as a process of its own, because what is compiled depends on nothing else having run.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import esbuild from 'esbuild'
import { root } from './bundle.mjs'

const [packFile, indexFile, toldFile] = process.argv.slice(2)

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
  ['image', 'from-host', 'base', 'sh', 'true', 'sleep'],
  ['build', '-t', 'first', 'first'],
  ['build', '-t', 'warm', '.'],
  ['build', '-t', 'warm', '--build-arg', 'BASE=base', '.'],
  ['build', '-q', '--build-arg', 'BASE=base', '.'],
  ['run', '--rm', '-e', 'A=B', 'warm', 'true'],
  ['run', '--rm', 'base', 'true'],
  ['run', '-d', '--name', 'stays', 'base', 'sleep', '60'],
  ['exec', 'stays', 'true'],
  ['logs', 'stays'],
  ['stop', '-t', '0', 'stays'],
  ['rm', '-f', 'stays'],
  ['images'],
  ['inspect', '--format', '{{json .Config}} {{range .RepoTags}}{{.}}{{end}}', 'first'],
  ['history', 'first'],
  ['tag', 'first', 'first:2'],
  ['rmi', 'first:2'],
  ['ps', '-a'],
  ['image', 'ls', '-q'],
  ['nope'],
]

const DOCKERFILE = `ARG BASE=base
FROM \${BASE}
ARG A=1
ENV A=$A
COPY f /d/
WORKDIR /d
RUN true
RUN echo a > b
CMD ["/d/f"]
`

/** Commands whose start matters most: the modules that they load are packed together. */
const MEASURED = [
  ['build', '-q', '--build-arg', 'BASE=base', '.'],
  ['run', '--rm', 'base', 'true'],
  ['images'],
  ['run', '-d', '--name', 'again', 'base', 'sleep', '60'],
  ['exec', 'again', 'true'],
]

// V8 forgets the code of functions that have not run for a while; the flag is no longer set when it is written down,
// because V8 takes code only where all flags are as they were.
setFlagsFromString('--no-flush-bytecode')
const { Pack } = await loader()
const index = JSON.parse(readFileSync(indexFile, 'utf8'))
const scratch = mkdtempSync(join(tmpdir(), 'tsbox-warm-'))

/** Runs a command. What fails (no helper, no namespaces) is compiled as far as it came. */
async function run(pack, argv) {
  const program = pack.load('start')
  await program.main(argv, silentShell(program.processShell().openEngine, scratch))
}

const pack = new Pack(packFile, index)
const uses = []
try {
  writeFileSync(join(scratch, 'Dockerfile'), DOCKERFILE)
  writeFileSync(join(scratch, 'f'), 'f')
  mkdirSync(join(scratch, 'first'))
  // Needs neither namespaces nor a base, so that images can be listed where nothing runs.
  writeFileSync(join(scratch, 'first', 'Dockerfile'), 'FROM scratch\nCOPY Dockerfile /\n')
  for (const argv of COMMANDS) await run(pack, argv)
  for (const argv of MEASURED) {
    const alone = new Pack(packFile, index)
    await run(alone, argv)
    uses.push(alone.loaded())
  }
  await run(pack, ['rm', '-f', 'again'])
} finally {
  rmSync(scratch, { recursive: true, force: true })
}
setFlagsFromString('--flush-bytecode')
const caches = index.groups.map((_, group) => pack.script(group).createCachedData().toString('base64'))
writeFileSync(toldFile, JSON.stringify({ uses, caches }))
process.exit(0)
