// Runs the bundle's everyday commands in a throw-away store and keeps what V8 compiled for them, so that no start has to
// compile it again: `node scripts/code-cache.mjs DIST NAME`. Started by build.mjs, in a process of its own.
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import esbuild from 'esbuild'
import { nodeBundle, root } from './bundle.mjs'

const [dir, name] = process.argv.slice(2)

/** The loader, as the entry has it: V8 takes a cache only for the same text. */
async function loader() {
  const built = await esbuild.build({
    ...nodeBundle,
    entryPoints: [join(root, 'src/cli/load-bundle.ts')],
    write: false,
  })
  const module = { exports: {} }
  new Function('module', 'exports', 'require', '__filename', built.outputFiles[0].text)(
    module,
    module.exports,
    process.getBuiltinModule('node:module').createRequire(import.meta.url),
    join(dir, 'cli.cjs'),
  )
  return module.exports
}

/** A shell that shows nothing and has no terminal. */
function silentShell(openEngine, scratch) {
  const output = { write: () => {}, isTerminal: false, columns: () => 80, rows: () => 24 }
  return {
    env: { PATH: process.env.PATH, HOME: scratch, TSBOX_ROOT: join(scratch, 'store'), TSBOX_DIST: dir },
    cwd: scratch,
    stdout: output,
    stderr: output,
    stdin: { isTerminal: false, stream: async function* () {} },
    now: Date.now,
    onInterrupt: () => () => {},
    openEngine,
  }
}

const { bundleScript, runBundle } = await loader()
const script = bundleScript(dir, name)
const bundle = runBundle(script, dir, name)
const scratch = mkdtempSync(join(tmpdir(), 'tsbox-warm-'))
try {
  writeFileSync(join(scratch, 'Dockerfile'), 'FROM scratch\nARG A=1\nENV A=$A\nCOPY f /d/\nCMD ["/d/f"]\n')
  writeFileSync(join(scratch, 'f'), 'f')
  const shell = silentShell(bundle.openEngine, scratch)
  const lines = [
    ['build', '-t', 'warm', '.'],
    ['build', '-t', 'warm', '.'],
    ['run', '--rm', 'warm', 'true'],
    ['images'],
    ['inspect', '--format', '{{json .Config}}', 'warm'],
    ['history', 'warm'],
    ['rmi', 'warm'],
    ['rmi', 'warm'],
    ['ps', '-a'],
  ]
  // What fails here (no helper, no namespaces) is compiled as far as it came.
  for (const argv of lines) await bundle.main(argv, shell)
} finally {
  rmSync(scratch, { recursive: true, force: true })
}
const part = join(dir, `${name}.cache.${process.pid}`)
writeFileSync(part, script.createCachedData())
renameSync(part, join(dir, `${name}.cache`))
process.exit(0)
