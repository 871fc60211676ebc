// Reads every import below src/ and fails on one that points upward or sideways between floors, or that brings a
// Node module into a portable folder. docs/architecture.md explains the floors.
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize, relative } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const FLOORS = {
  base: 1,
  util: 2,
  oci: 2,
  layer: 3,
  registry: 3,
  store: 4,
  rootless: 4,
  wasm: 4,
  build: 5,
  container: 5,
  engine: 6,
  api: 7,
  compose: 7,
  cli: 8,
}
// Inside src/build the parts stand on each other too: a lower number may not import a higher one.
const BUILD_FLOORS = { context: 1, progress: 1, dockerfile: 2, graph: 3, ops: 4, solve: 5, export: 6, explain: 6 }
const PORTABLE = new Set(['base', 'oci', 'layer', 'build', 'wasm'])

const IMPORT =
  /^\s*(?:import|export)\b[^'"]*?from\s*['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]\s*\)|^\s*import\s*['"]([^'"]+)['"]/gm

function* tsFiles(dir) {
  for (const e of readdirSync(dir, { withFileTypes: true })) {
    if (e.isDirectory()) yield* tsFiles(join(dir, e.name))
    else if (e.name.endsWith('.ts')) yield join(dir, e.name)
  }
}

/** The faults of one file: one line each, ready to print. */
function faultsOf(root, file, text) {
  const src = join(root, 'src')
  const parts = relative(src, file).split('/')
  const from = parts[0]
  const faults = []
  if (!(from in FLOORS)) return [`${relative(root, file)}: folder "${from}" is on no floor`]
  for (const m of text.matchAll(IMPORT)) {
    const spec = m[1] ?? m[2] ?? m[3]
    const where = `${relative(root, file)}:${text.slice(0, m.index).split('\n').length}`
    if (spec.startsWith('node:')) {
      if (PORTABLE.has(from)) faults.push(`${where}: ${from} is portable and may not import ${spec}`)
      continue
    }
    if (!spec.startsWith('.')) continue
    const to = relative(src, normalize(join(dirname(file), spec))).split('/')
    if (to[0] === '..') {
      faults.push(`${where}: leaves src (${spec})`)
      continue
    }
    if (to[0] !== from) {
      if (!(FLOORS[to[0]] < FLOORS[from]))
        faults.push(
          `${where}: ${from} (floor ${FLOORS[from]}) may not import ${to[0]} (floor ${FLOORS[to[0]]}): imports run downward only`,
        )
    } else if (from === 'build' && parts.length > 2) {
      // Files directly in src/build are the seams that every part may use.
      const a = BUILD_FLOORS[parts[1]]
      const b = to.length > 2 ? BUILD_FLOORS[to[1]] : 0
      if (parts[1] !== to[1] && !(b < a))
        faults.push(`${where}: build/${parts[1]} may not import build/${to[1]}: imports run downward only`)
    }
  }
  return faults
}

/** All faults of the tree at `root`, plus those of `extra` ({file, text}) given for a test. */
export function checkImports(root, extra = []) {
  const faults = []
  for (const f of tsFiles(join(root, 'src'))) faults.push(...faultsOf(root, f, readFileSync(f, 'utf8')))
  for (const e of extra) faults.push(...faultsOf(root, join(root, e.file), e.text))
  return faults
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const faults = checkImports(join(dirname(fileURLToPath(import.meta.url)), '..'))
  for (const f of faults) console.error(f)
  if (faults.length) {
    console.error(`${faults.length} import(s) against the floors of docs/architecture.md`)
    process.exit(1)
  }
}
