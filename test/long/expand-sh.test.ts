import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { expandWord } from '../../src/build/dockerfile/shell-lex.js'
import { type Random, random } from '../helpers/random.js'

const COUNT = 20_000
const LITERALS = ['a', 'b', 'c', 'ab', '.', '/', '-', ':', ',', '=', '_', '1', '.tar.gz']
const IN_QUOTES = [...LITERALS, ' ', '  ', '*', '?', '(', ';', '|', '&', '#', '%', '}', '{', '[']
const VALUES = ['', 'a', 'ab', 'abcabc', '/a/b/c.d.e', ' blanks  here ', 'x*y?z', 'a.b-c:d', '$A', '"', 'cab,bac', '()']
/** Unset names, and set ones. */
const NAMES = ['U', 'W_2', 'A', 'B', 'LONG_name1']

function some(rng: Random, most: number, piece: () => string): string {
  return Array.from({ length: rng.below(most + 1) }, piece).join('')
}

/*
 * The grammar holds what POSIX and the Dockerfile reference both have, and both define: of patterns `*`, `?` and their
 * escapes (no brackets, which Dockerfiles lack, no quotes, which a shell would take as escapes there); no quotes and
 * escapes inside braces inside double quotes, where shells themselves disagree.
 */
function word(rng: Random, depth: number): string {
  return some(rng, 5, () => {
    switch (rng.below(7)) {
      case 0:
        return `\\${rng.pick(['$', '"', "'", '\\', 'a', ' ', '*', '}', '.'])}`
      case 1:
        return `'${some(rng, 4, () => rng.pick([...IN_QUOTES, '$A', '\\', '"']))}'`
      case 2:
        return `"${some(rng, 4, () => quoted(rng, depth))}"`
      case 3:
      case 4:
        return variable(rng, depth, () => word(rng, depth - 1))
      default:
        return rng.pick(LITERALS)
    }
  })
}

function quoted(rng: Random, depth: number): string {
  switch (rng.below(5)) {
    case 0:
      return rng.pick(['\\$', '\\"', '\\\\', '\\a', '\\ ', "\\'", "'"])
    case 1:
    case 2:
      return variable(rng, depth, () => some(rng, 3, () => bare(rng, depth - 1)))
    default:
      return rng.pick(IN_QUOTES)
  }
}

/** Inside braces inside double quotes. */
function bare(rng: Random, depth: number): string {
  if (rng.below(3) > 0 || depth <= 0) return rng.pick([...LITERALS, ' '])
  return variable(rng, depth, () => some(rng, 3, () => bare(rng, depth - 1)))
}

function variable(rng: Random, depth: number, inner: () => string): string {
  const name = rng.pick(NAMES)
  const form = rng.below(depth > 0 ? 9 : 2)
  if (form === 0) return `$${name}${rng.pick(['.', '/', '-', ':'])}`
  if (form < 3) return `\${${name}}`
  if (form < 6) return `\${${name}${rng.pick([':-', '-', ':+', '+'])}${inner()}}`
  return `\${${name}${rng.pick(['#', '##', '%', '%%'])}${pattern(rng, depth)}}`
}

function pattern(rng: Random, depth: number): string {
  return some(rng, 4, () => {
    if (rng.below(8) === 0) return rng.pick(['\\*', '\\?'])
    if (rng.below(8) === 0 && depth > 1) return `\${${rng.pick(NAMES)}:-${rng.pick(LITERALS)}}`
    return rng.pick([...LITERALS, '*', '?', '*', '?'])
  })
}

test(`expandWord() agrees with sh on ${COUNT} words`, (t) => {
  const seed = Number(process.env.TSBOX_SEED ?? Date.now() % 2 ** 31)
  t.diagnostic(`TSBOX_SEED=${seed}`)
  const rng = random(seed)
  const cases = Array.from({ length: COUNT }, () => ({
    text: word(rng, 3),
    env: { A: rng.pick(VALUES), B: rng.pick(VALUES), LONG_name1: rng.pick(VALUES) } as Record<string, string>,
  }))
  // An assignment expands as a Dockerfile does: nothing is split, no names of files come in.
  const script = cases.map(({ text, env }) => {
    const set = Object.entries(env).map(([name, value]) => `${name}='${value}'`)
    return `${set.join(' ')}; X=${text}; printf '%s\\0' "$X"`
  })
  const sh = spawnSync('sh', { input: `unset U W_2\n${script.join('\n')}\n`, encoding: 'utf8', maxBuffer: 1 << 28 })
  assert.equal(sh.status, 0, `seed ${seed}: ${sh.stderr}`)
  const answers = sh.stdout.split('\0')
  assert.equal(answers.length, COUNT + 1, `seed ${seed}: ${sh.stderr}`)
  let changed = 0
  for (const [i, { text, env }] of cases.entries()) {
    assert.equal(
      expandWord(text, (name) => env[name]),
      answers[i],
      `seed ${seed}, word ${i}: ${text} with ${JSON.stringify(env)}`,
    )
    if (answers[i] !== text) changed++
  }
  assert.ok(changed > COUNT / 2, `only ${changed} of the words had anything to expand`)
})
