// Makes a pack (src/cli/pack.ts) of a program: its modules in one file with the code that V8 compiled for them.
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

/** Writes groups of modules one after another. @param groups names @returns the index, as src/cli/pack.ts has it */
function writePack(file, texts, groups, caches = []) {
  const index = { groups: [], modules: {} }
  const parts = []
  let at = 0
  groups.forEach((names, group) => {
    const functions = names.map((name) => `function(exports,require,module,importMetaUrl){${texts[name]}\n}`)
    const text = Buffer.from(`[${functions.join(',\n')}]`, 'latin1')
    const cache = caches[group] ?? Buffer.alloc(0)
    index.groups.push([at, text.length, cache.length])
    names.forEach((name, place) => {
      index.modules[name] = [group, place]
    })
    parts.push(text, cache)
    at += text.length + cache.length
  })
  const part = `${file}.${process.pid}`
  writeFileSync(part, Buffer.concat(parts))
  renameSync(part, file)
  return index
}

/** Modules that are loaded by the same everyday commands, together. @param uses the names that each command loads */
function groupsOf(names, uses) {
  const groups = new Map()
  for (const name of names) {
    const users = uses.map((used) => (used.includes(name) ? '1' : '0')).join('')
    const key = users.includes('1') ? users : name
    groups.set(key, [...(groups.get(key) ?? []), name])
  }
  return [...groups.values()]
}

/** Runs everyday commands of a pack. @returns what scripts/warm-pack.mjs tells of them; undefined where it failed */
function warm(file, index) {
  writeFileSync(`${file}.index`, JSON.stringify(index))
  try {
    const args = [join(root, 'scripts/warm-pack.mjs'), file, `${file}.index`, `${file}.told`]
    const run = spawnSync(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'], timeout: 60_000 })
    if (run.status === 0) return JSON.parse(readFileSync(`${file}.told`, 'utf8'))
    console.error(`build: no compiled code in the pack, starts will be slower\n${run.stderr}`)
    return undefined
  } finally {
    for (const end of ['index', 'told']) rmSync(`${file}.${end}`, { force: true })
  }
}

/**
 * Writes the pack of a program with its compiled code, which only saves time: without it tsbox starts slower.
 *
 * @param texts CommonJS by name
 * @returns name of the file, which changes with the content, and its index
 */
export function buildPack(dist, texts) {
  const hash = createHash('sha256').update(JSON.stringify(texts)).update(process.version).digest('hex').slice(0, 12)
  const name = `tsbox-${hash}.pack`
  const scratch = join(dist, `${name}.${process.pid}.plain`)
  try {
    const names = Object.keys(texts)
    const alone = names.map((n) => [n])
    const uses = warm(scratch, writePack(scratch, texts, alone))?.uses ?? []
    const groups = groupsOf(names, uses)
    const caches = warm(scratch, writePack(scratch, texts, groups))?.caches ?? []
    const decoded = caches.map((base64) => Buffer.from(base64, 'base64'))
    return { name, index: writePack(join(dist, name), texts, groups, decoded) }
  } finally {
    rmSync(scratch, { force: true })
  }
}
