import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { TsboxError } from '../../../src/base/error.js'
import type { Heredoc, Node } from '../../../src/build/dockerfile/ast.js'
import { dumpNode } from '../../../src/build/dockerfile/dump.js'
import type { Dockerfile, Instruction } from '../../../src/build/dockerfile/instruction.js'
import { parseDockerfile } from '../../../src/build/dockerfile/parse.js'
import { parseTree } from '../../../src/build/dockerfile/parse-tree.js'

// Each folder of fixtures/dockerfile has a Dockerfile beside ast.txt (its tree, then what each instruction means) or
// error.txt (lines, message, hint). UPDATE_GOLDEN=1 writes them anew.
const corpus = join(process.env.TSBOX_REPO!, 'fixtures/dockerfile')
const update = process.env.UPDATE_GOLDEN === '1'

test('the corpus has at least 150 Dockerfiles', () => {
  assert.ok(readdirSync(corpus).length >= 150)
})

for (const name of readdirSync(corpus))
  test(`parseDockerfile() of ${name}`, () => {
    const dir = join(corpus, name)
    const answer = describe(readFileSync(join(dir, 'Dockerfile'), 'utf8'))
    const golden = join(dir, answer.file)
    if (update) {
      for (const other of ['ast.txt', 'error.txt']) rmSync(join(dir, other), { force: true })
      writeFileSync(golden, answer.text)
    }
    assert.ok(existsSync(golden), `${answer.file} is missing:\n${answer.text}`)
    assert.equal(answer.text, readFileSync(golden, 'utf8'))
    assert.equal(answer.file === 'error.txt', name.startsWith('error-'), 'the name of the folder says what is expected')
  })

function describe(text: string): { file: 'ast.txt' | 'error.txt'; text: string } {
  try {
    const file = parseDockerfile(text, { file: 'Dockerfile' })
    const tree = parseTree(file).children.map(describeNode).join('')
    return { file: 'ast.txt', text: `${tree}---\n${describeMeaning(file)}` }
  } catch (err) {
    if (!(err instanceof TsboxError)) throw err
    assert.equal(err.code, 'E_DOCKERFILE')
    assert.equal(err.location?.text, text)
    const { line, endLine } = err.location!
    const hint = err.hint === undefined ? '' : `hint: ${err.hint}\n`
    return { file: 'error.txt', text: `Dockerfile:${line}-${endLine}: ${err.message}\n${hint}` }
  }
}

function describeNode(node: Node): string {
  const { line, endLine } = node.location
  return [`${line}-${endLine} (${dumpNode(node)})\n`, ...node.heredocs.map(describeHeredoc)].join('')
}

function describeHeredoc(h: Heredoc): string {
  const traits = [h.fileDescriptor || '', h.expand ? 'expand' : '', h.chomp ? 'chomp' : ''].filter(Boolean).join(' ')
  const lines = h.content.split('\n').slice(0, -1)
  return [`  <<${h.name} ${traits}`.trimEnd(), ...lines.map((l) => `    |${JSON.stringify(l).slice(1, -1)}`), ''].join(
    '\n',
  )
}

function describeMeaning(file: Dockerfile): string {
  const { syntax, check } = file.directives
  const out = [`escape ${file.escape}`]
  if (syntax) out.push(`syntax ${syntax}`)
  if (check.skip.length || check.skipAll || check.error || check.experimentalAll)
    out.push(`check ${JSON.stringify(check)}`)
  for (const w of file.warnings) out.push(`warning ${w.rule} line ${w.location.line}: ${w.detail}`)
  out.push(...file.metaArgs.map(describeInstruction))
  for (const s of file.stages) {
    out.push(describeInstruction(s.from) + (s.doc ? ` doc ${JSON.stringify(s.doc)}` : ''))
    out.push(...s.instructions.map((i) => `  ${describeInstruction(i)}`))
  }
  return `${out.join('\n')}\n`
}

/** The fields of the instruction's own kind, those that say nothing left out. */
function describeInstruction(i: Instruction): string {
  const { type, keyword: _1, original: _2, location: _3, comments: _4, onbuild: _5, ...fields } = i
  const shown = i.type === 'run' ? { ...fields, mounts: i.mounts.map(({ spec, from }) => ({ spec, from })) } : fields
  const said = Object.entries(shown).filter(
    ([, v]) => v !== '' && v !== false && v !== undefined && v !== 0 && !(Array.isArray(v) && v.length === 0),
  )
  return `${type} ${JSON.stringify(Object.fromEntries(said))}`
}
