/**
 * A place is an environment that takes something away. In each, an image is loaded, built on, and run, and the doctor is
 * asked; what comes out must be what comes out anywhere: the image to the byte, owners and modes as in the Dockerfile.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { DoctorFact, DoctorReport } from '../../src/engine/api.js'
import { type Cli, HAS_SUBIDS, makeBase, openCli, requireBox, sharedCli, TSBOX } from '../helpers/cli.js'
import { compileNative } from '../helpers/native.js'
import { requireProgram } from '../helpers/programs.js'

/** What of a machine a place needs. */
export interface Prepared {
  cli: Cli
  /** Folder of this test, in which the store is by default. */
  dir: string
  /** The program of test/place.c, which refuses system calls. */
  refuse: string
  /** What is to be done when the test is over, however it went. */
  later: (action: () => unknown) => void
}

/** A place, and what is to be found in it. */
export interface PlaceSpec {
  /** Command line before the one that is to run there; may make what the place needs. */
  start?: (p: Prepared) => readonly string[]
  /** `undefined` takes a variable away. */
  env?: (p: Prepared) => Readonly<Record<string, string | undefined>>
  /** Programs to install, with the packages that have them where they are called otherwise. */
  needs?: readonly (readonly [program: string, packageName?: string])[]
  /** Whether the user must have subordinate ids, or must not; undefined is either. */
  subids?: boolean
  /** Only root of the machine can be in this place. */
  root?: boolean
  /** Options of `build` and `run`. */
  options?: readonly string[]
  /** The id mode that the doctor names. */
  mode?: 'subid' | 'single'
  /** State and text of lines of the doctor, by id. */
  doctor?: Readonly<Record<string, readonly [DoctorFact['state'], RegExp]>>
  /** What else is to be seen, with the store as it was left. */
  look?: (p: Prepared, seen: Seen) => void
}

/** What came out of a place. */
export interface Seen {
  report: DoctorReport
  /** Standard error of the build. */
  log: string
  store: string
}

const SCRIPT = `set -e
"$TSBOX" load -q -i "$BASE" >/dev/null
"$TSBOX" build $OPTIONS --progress plain --iidfile "$OUT/iid" -t made "$CONTEXT" 2>"$OUT/log"
"$TSBOX" run $OPTIONS --rm made sh -c 'stat -c "%u:%g %a %n" /d /d/f /d/s; ls -n /d/l | head -c 40; echo; ls /gone /d/old 2>&1; id -u' >"$OUT/run" 2>"$OUT/said"
set +e
"$TSBOX" run $OPTIONS --rm made sh -c 'echo x > /d/f && rm /d/l && exit 7' >"$OUT/changed" 2>&1
echo $? >"$OUT/code"
"$TSBOX" doctor --format json >"$OUT/doctor"
`

const DOCKERFILE = `FROM base
RUN mkdir /d /gone && echo old > /d/old && echo one > /d/f && chown 33:34 /d/f && chmod 640 /d/f
RUN rm -r /gone /d && mkdir -m 750 /d && echo two > /d/f && chown 33:34 /d/f && chmod 4711 /d/f && ln -s f /d/l && chown -h 7:8 /d/l && touch /d/s && chown 9 /d /d/s
`

const OWNERS = `9:0 750 /d
33:34 4711 /d/f
9:0 644 /d/s
`

/** Compared with each other: dates are none of the place's. */
const EPOCH = '1700000000'

interface Reference {
  archive: string
  image: string
}

let reference: Reference | undefined
const made = sharedCli()

/** The base image as a file, and what is built of it where nothing is missing. */
function referenceOf(): Reference {
  if (reference) return reference
  const archive = join(made.dir, 'base.tar')
  makeBase(made)
  made.ok(['save', '-o', archive, 'base'])
  const { id } = made.build(context(made.dir), [], { env: { SOURCE_DATE_EPOCH: EPOCH } })
  reference = { archive, image: id }
  return reference
}

function context(dir: string): string {
  const path = join(dir, 'the context')
  mkdirSync(path, { recursive: true })
  writeFileSync(join(path, 'Dockerfile'), DOCKERFILE)
  return path
}

/** Whether the place exists for this user: where not, there is no test of it. */
function exists(spec: Pick<PlaceSpec, 'root' | 'subids'>): boolean {
  const isRoot = process.getuid!() === 0
  return (!spec.root || isRoot) && (spec.subids === undefined || (spec.subids === HAS_SUBIDS && !isRoot))
}

/** Skips, or not, by what the place needs. */
async function canBe(t: TestContext, spec: PlaceSpec): Promise<boolean> {
  for (const [program, packageName] of spec.needs ?? []) if (!requireProgram(t, program, packageName)) return false
  return requireBox(t)
}

/** The program that refuses calls, compiled once a file. */
export function compileRefuser(t: TestContext, cli: Cli): string | undefined {
  const refuse = join(cli.dir, 'refuse')
  return compileNative(t, refuse, ['test/place.c'], ['-O1']) ? refuse : undefined
}

/** Builds and runs in a place. */
export function place(name: string, spec: PlaceSpec): void {
  if (!exists(spec)) return
  test(`place: ${name}`, async (t) => {
    if (!(await canBe(t, spec))) return
    const cli = openCli(t)
    const refuse = compileRefuser(t, cli)
    if (!refuse) return
    const { archive, image } = referenceOf()
    const p: Prepared = { cli, dir: cli.dir, refuse, later: (action) => t.after(action) }
    const out = join(cli.dir, 'out')
    mkdirSync(out)
    writeFileSync(join(cli.dir, 'script'), SCRIPT)
    const env = {
      ...cli.env,
      TSBOX,
      BASE: archive,
      OUT: out,
      CONTEXT: context(cli.dir),
      OPTIONS: spec.options?.join(' ') ?? '',
      SOURCE_DATE_EPOCH: EPOCH,
      ...spec.env?.(p),
    }
    const [program, ...args] = [...(spec.start?.(p) ?? []), 'sh', join(cli.dir, 'script')]
    const defined = Object.fromEntries(Object.entries(env).filter(([, v]) => v !== undefined))
    const run = spawnSync(program!, args, { cwd: cli.dir, env: defined, encoding: 'utf8', timeout: 110_000 })
    const log = textOf(join(out, 'log'))
    assert.equal(
      run.status,
      0,
      `${run.error ?? ''}${run.stderr}${log}${textOf(join(out, 'run'))}${textOf(join(out, 'said'))}`,
    )
    assert.equal(textOf(join(out, 'iid')), image, 'the image is the one that is built anywhere')
    const seen = textOf(join(out, 'run'))
    assert.ok(seen.startsWith(OWNERS), seen)
    assert.match(seen, /^lrwxrwxrwx +1 7 +8 /m)
    assert.match(seen, /cannot access '\/gone'.*\n.*cannot access '\/d\/old'/)
    assert.match(seen, /^0$/m)
    assert.equal(textOf(join(out, 'code')), '7\n', textOf(join(out, 'changed')))
    const report = JSON.parse(textOf(join(out, 'doctor'))) as DoctorReport
    check(report, spec)
    spec.look?.(p, { report, log, store: storeOf(report) })
  })
}

function check({ facts, modes }: DoctorReport, spec: PlaceSpec): void {
  if (spec.mode) assert.equal(modes.userns, spec.mode)
  assert.equal(modes.backend, 'namespace')
  for (const [id, [state, detail]] of Object.entries(spec.doctor ?? {})) {
    const fact = facts.find((f) => f.id === id)
    assert.ok(fact, `the doctor has a line "${id}"`)
    assert.match(fact.detail, detail)
    assert.equal(fact.state, state, `${id}: ${fact.detail}`)
  }
}

function storeOf({ facts }: DoctorReport): string {
  return /^[^,]*/.exec(facts.find((f) => f.id === 'store')?.detail ?? '')![0]
}

/** A file as text; '' where it is not there. */
export function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

/** A folder of programs that are found before all others. */
export function programsBefore(p: Prepared, scripts: Readonly<Record<string, string>>): string {
  const dir = join(p.dir, 'bin')
  mkdirSync(dir)
  for (const [name, text] of Object.entries(scripts)) writeFileSync(join(dir, name), text, { mode: 0o755 })
  return dir
}

/** Everything of this machine in a sandbox of bubblewrap, with these options. */
export function bwrap(...options: readonly string[]): readonly string[] {
  return ['bwrap', '--dev-bind', '/', '/', ...options]
}
