import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { matchGlob } from '../../src/build/context/glob.js'
import { type Random, random } from '../helpers/random.js'

const PROGRAM = `package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		var pair [2]string
		if err := json.Unmarshal(in.Bytes(), &pair); err != nil {
			panic(err)
		}
		ok, err := filepath.Match(pair[0], pair[1])
		if err != nil {
			fmt.Println("bad")
		} else {
			fmt.Println(ok)
		}
	}
}
`

const ALPHABET = ['a', 'b', 'c', '/', '-', '.', 'é', '😀', ']']
const SYNTAX = ['*', '?', '[', ']', '^', '-', '\\', '[a-c]', '[^b]', '**', '[\\]]', '/']

function word(rng: Random, pieces: readonly string[], most: number): string {
  return Array.from({ length: rng.below(most + 1) }, () => rng.pick(pieces)).join('')
}

test("matchGlob() agrees with Go's filepath.Match on 100,000 pairs", (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'tsbox-glob-'))
  t.after(() => rmSync(dir, { recursive: true, force: true }))
  const source = join(dir, 'match.go')
  writeFileSync(source, PROGRAM)
  const binary = join(dir, 'match')
  const built = spawnSync('go', ['build', '-o', binary, source], { env: { ...process.env, GOCACHE: dir, GOFLAGS: '' } })
  if (built.error || built.status !== 0) {
    assert.notEqual(process.env.TSBOX_MUST_WORK, '1', `go is needed here: ${built.error ?? built.stderr}`)
    t.skip('no Go toolchain (apt install golang-go)')
    return
  }
  const seed = Number(process.env.TSBOX_SEED ?? Date.now() % 2 ** 31)
  t.diagnostic(`TSBOX_SEED=${seed}`)
  const rng = random(seed)
  const pairs = Array.from({ length: 100_000 }, () => {
    const name = word(rng, ALPHABET, 6)
    // Half of the patterns start from the name, so that many match.
    const pattern =
      rng.below(2) === 0
        ? word(rng, [...ALPHABET, ...SYNTAX], 6)
        : [...name].map((ch) => (rng.below(3) === 0 ? rng.pick(SYNTAX) : ch)).join('')
    return [pattern, name] as const
  })
  const go = spawnSync(binary, {
    input: pairs.map((p) => JSON.stringify(p)).join('\n'),
    maxBuffer: 2 ** 26,
    encoding: 'utf8',
  })
  assert.equal(go.status, 0, go.stderr)
  const answers = go.stdout.trimEnd().split('\n')
  assert.equal(answers.length, pairs.length)
  for (const [i, [pattern, name]] of pairs.entries())
    assert.equal(ours(pattern, name), answers[i], `seed ${seed}: ${JSON.stringify([pattern, name])}`)
})

function ours(pattern: string, name: string): string {
  try {
    return String(matchGlob(pattern, name))
  } catch {
    return 'bad'
  }
}
