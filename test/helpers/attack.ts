/**
 * Attacks: each is a real one, on a canary. docs/security.md has a row for each, and test/attacks/matrix.test.ts sees that
 * the two agree.
 */
import assert from 'node:assert/strict'
import { lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type Cli, HAS_SUBIDS, type Ran, requireBox, writeContext } from './cli.js'
import { compileNative } from './native.js'

/** What a canary's files hold: nothing that a container prints may have it. */
export const SECRET = 'only-the-host-has-this'

/** The id modes that this user can have. */
export const MODES = HAS_SUBIDS ? (['subid', 'single'] as const) : (['single'] as const)

/**
 * Registers an attack.
 *
 * @param id as the row of docs/security.md begins: a CVE, or a few words
 */
export function attack(id: string, what: string, run: (t: TestContext) => Promise<void> | void): void {
  test(`${id}: ${what}`, async (t) => {
    if (await requireBox(t)) await run(t)
  })
}

/** The same, once in each id mode. */
export function attackInModes(
  id: string,
  what: string,
  run: (t: TestContext, mode: 'subid' | 'single') => Promise<void> | void,
): void {
  for (const mode of MODES) attack(id, `${what} (${mode})`, (t) => run(t, mode))
}

/** A folder of the host that must stay as it is, with what a container would look for. */
export interface Canary {
  dir: string
  /** Everything about it; equal before and after. */
  state: () => string
  /** Demands that nothing of it was read or changed. */
  assertUntouched: (...ran: readonly Ran[]) => void
}

/** Makes a canary below the test's folder. */
export function makeCanary(cli: Cli): Canary {
  const dir = join(writeContext(cli, { secret: SECRET }), 'canary')
  mkdirSync(dir)
  for (const name of ['passwd', 'group', 'hosts', 'hostname', 'resolv.conf', 'null', 'secret', 'file'])
    writeFileSync(join(dir, name), `${SECRET}:x:0:0::/:/bin/sh\n`)
  // What a clean-up would take for a mount point that nobody used.
  writeFileSync(join(dir, 'empty'), '')
  mkdirSync(join(dir, 'sub'))
  const state = () =>
    readdirSync(dir, { recursive: true })
      .map(String)
      .sort()
      .map((name) => describe(join(dir, name), name))
      .join('\n')
  const before = state()
  const assertUntouched = (...ran: readonly Ran[]) => {
    for (const { stdout, stderr } of ran) {
      assert.ok(!stdout.includes(SECRET), `it was read:\n${stdout}`)
      assert.doesNotMatch(stderr, new RegExp(`^(?!#\\d+ .*(RUN|COPY|ADD)).*${SECRET}`, 'm'), 'it was read')
      assert.doesNotMatch(stderr, /BUG/)
    }
    assert.equal(state(), before, 'the folder of the host was changed')
  }
  return { dir, state, assertUntouched }
}

function describe(path: string, name: string): string {
  const st = lstatSync(path)
  const text = st.isFile() ? readFileSync(path, 'utf8') : st.isSymbolicLink() ? readlinkSync(path) : ''
  // ctime tells of attributes and owners, too.
  return `${name} ${st.mode} ${st.uid} ${st.size} ${st.mtimeMs} ${st.ctimeMs} ${text}`
}

/**
 * An image `evil` on `base` with the program `/attack`, which does what no shell can: see native/test/attack.c.
 *
 * @returns false, with the test skipped, where there is no compiler
 */
export function makeEvil(t: TestContext, cli: Cli, mode: string): string | undefined {
  const name = `evil-${mode}`
  const context = writeContext(cli, { Dockerfile: 'FROM base\nCOPY attack /attack\n' })
  if (!compileNative(t, join(context, 'attack'), ['test/attack.c'], ['-O1', '-static'])) return undefined
  cli.build(context, ['-t', name, '--userns', mode])
  return name
}
