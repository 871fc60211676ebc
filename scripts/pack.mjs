// Makes a pack (src/cli/pack.ts) of a program: its modules in one file with the code that V8 compiled for each.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import esbuild from 'esbuild'
import { root } from './bundle.mjs'

/**
 * Splits a program at its dynamic imports.
 *
 * @param options esbuild's, for the whole program
 * @returns name → CommonJS text
 */
export async function splitProgram(options) {
  const split = await esbuild.build({
    ...options,
    format: 'esm',
    splitting: true,
    chunkNames: '[name]-[hash]',
    outdir: '.',
  })
  const modules = {}
  for (const file of split.outputFiles) {
    // esbuild splits only ES modules: each piece becomes CommonJS in a second step.
    const { code } = await esbuild.transform(file.text, {
      format: 'cjs',
      target: options.target,
      platform: 'node',
      // vm.Script has no loader for import(): it becomes a require that is made later.
      supported: { 'dynamic-import': false },
    })
    modules[nameOf(file.path)] = code.replace(/require\("\.\/([^"]+)\.js"\)/g, 'require("./$1")')
  }
  return modules
}

const nameOf = (path) => basename(path, '.js')

/** Writes modules one after another. @returns the index */
export function writePack(file, modules, caches = {}) {
  const index = {}
  const parts = []
  let at = 0
  for (const [name, text] of Object.entries(modules)) {
    const cache = caches[name] ?? Buffer.alloc(0)
    const bytes = Buffer.from(text, 'latin1')
    index[name] = [at, bytes.length, cache.length]
    parts.push(bytes, cache)
    at += bytes.length + cache.length
  }
  const part = `${file}.${process.pid}`
  writeFileSync(part, Buffer.concat(parts))
  renameSync(part, file)
  return index
}

/**
 * Writes the pack of a program with its compiled code, which only saves time: without it tsbox starts slower.
 *
 * @param entry module whose everyday use scripts/code-cache.mjs tries
 * @returns name of the file, which changes with the content, and its index
 */
export function buildPack(dist, modules) {
  const text = JSON.stringify(modules)
  const hash = createHash('sha256').update(text).update(process.version).digest('hex').slice(0, 12)
  const name = `tsbox-${hash}.pack`
  const scratch = join(dist, `${name}.${process.pid}`)
  const plain = `${scratch}.plain`
  try {
    writeFileSync(`${scratch}.json`, JSON.stringify(writePack(plain, modules)))
    const args = [join(root, 'scripts/code-cache.mjs'), plain, `${scratch}.json`, `${scratch}.caches`]
    const run = spawnSync(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'], timeout: 60_000 })
    if (run.status !== 0) console.error(`build: no compiled code in the pack, starts will be slower\n${run.stderr}`)
    const caches = run.status === 0 ? JSON.parse(readFileSync(`${scratch}.caches`, 'utf8')) : {}
    for (const [module, base64] of Object.entries(caches)) caches[module] = Buffer.from(base64, 'base64')
    return { name, index: writePack(join(dist, name), modules, caches) }
  } finally {
    for (const end of ['json', 'plain', 'caches']) rmSync(`${scratch}.${end}`, { force: true })
  }
}
