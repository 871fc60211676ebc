import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { TsboxError } from '../../src/base/error.js'
import { lint } from '../../src/build/dockerfile/checks/lint.js'
import { parseDockerfile } from '../../src/build/dockerfile/parse.js'
import { mutate } from './mutate.js'
import { random } from './random.js'

/**
 * Parses and checks mutated Dockerfiles of the corpus: nothing but a Dockerfile's fault may be thrown, and each names a
 * line of the file. At least 30 % must still parse, or the mutations test nothing.
 *
 * @param seed TSBOX_SEED replaces it
 * @returns the seed that was used, and how many inputs were Dockerfiles
 */
export function parseMutations(count: number, seed: number): { seed: number; parsed: number } {
  const used = Number(process.env.TSBOX_SEED ?? seed)
  const rng = random(used)
  const corpus = join(process.env.TSBOX_REPO!, 'fixtures/dockerfile')
  const texts = readdirSync(corpus).map((d) => readFileSync(join(corpus, d, 'Dockerfile'), 'utf8'))
  // Half of the corpus is wrong on purpose; slips are more telling in what is right.
  texts.push(...texts.filter(parses))
  let parsed = 0
  for (let i = 0; i < count; i++) {
    const text = mutate(rng.pick(texts), rng)
    try {
      const file = parseDockerfile(text, { file: 'Dockerfile' })
      parsed++
      lint(file, { platform: { os: 'linux', architecture: 'amd64' } })
    } catch (err) {
      const told = `seed ${used}, input ${i}: ${JSON.stringify(text)}`
      if (!(err instanceof TsboxError)) throw new Error(told, { cause: err })
      assert.equal(err.code, 'E_DOCKERFILE', told)
      const { line, endLine = line } = err.location ?? { line: 0 }
      assert.ok(line >= 1 && endLine >= line && endLine <= text.split('\n').length, `${told}: line ${line}-${endLine}`)
    }
  }
  assert.ok(parsed >= count * 0.3, `only ${parsed} of ${count} inputs parsed (seed ${used})`)
  return { seed: used, parsed }
}

function parses(text: string): boolean {
  try {
    parseDockerfile(text, { file: 'Dockerfile' })
    return true
  } catch {
    return false
  }
}
