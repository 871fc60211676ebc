/** Builds and runs that are killed at random moments: the next one works, and nothing is left of the one before. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, lstatSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import {
  type Cli,
  makeBase,
  mountsOf,
  openCli,
  processesOf,
  type Running,
  requireBox,
  writeContext,
} from '../helpers/cli.js'
import { type Random, random } from '../helpers/random.js'
import { isAlive, processTree } from '../helpers/userns.js'

const ROUNDS = 20
/** Each so many rounds everything is checked, and lightly in between. */
const FULL_CHECK = 4
const FILES = 300

/** What can be killed; the choice is made among the process that was started and all below it. */
const VICTIMS: Record<string, (pid: number, started: Started) => boolean> = {
  'the process of tsbox': (pid, { running }) => pid === running.pid,
  'the helper agent': (pid, { running }) => isHelper(pid) && parentOf(pid) === running.pid,
  'a helper process below the agent': (pid, { running }) => isHelper(pid) && parentOf(pid) !== running.pid,
  'a process inside the step': (pid, { running, token }) =>
    pid !== running.pid && !isHelper(pid) && read(pid, 'environ').includes(token),
}

// Each command ends in failure where a program before it was killed: a step that succeeds has done all of its work.
const DOCKERFILE = `
FROM base AS first
ARG MARK
RUN sleep 0.1 && mkdir /made && echo "$MARK" > /made/mark
COPY files /files
RUN sleep 0.1 && ls /files > /made/list && sleep 0.1

FROM base
ARG MARK
RUN sleep 0.2 && mkdir /other && echo "other $MARK" > /other/mark
COPY --from=first /made /made
COPY files /all
RUN sleep 0.1 && wc -l < /made/list > /count && cat /made/mark /other/mark /count /all/7 > /result && sleep 0.1
CMD ["cat", "/result"]
`

/** A command under way, with the text that is in the environment of the container's processes and nowhere else. */
interface Started {
  running: Running
  token: string
}

/** A store, a build context, and how long an undisturbed command takes. */
interface Scene {
  cli: Cli
  context: string
  rng: Random
  ms: { build: number; run: number }
  /** What the store knows of the id mode: a death must not pass for this machine's refusal. */
  mode: string
}

const seed = Number(process.env.TSBOX_SEED ?? Date.now() % 2 ** 31)

Object.entries(VICTIMS).forEach(([kind, isVictim], i) => {
  test(`after kill -9 of ${kind} all is well`, { timeout: 300_000 }, async (t) => {
    if (!(await requireBox(t))) return
    t.diagnostic(`TSBOX_SEED=${seed}`)
    const scene = await openScene(t, random(seed + i))
    for (let round = 1; round <= ROUNDS; round++) {
      const at = `seed ${seed}, round ${round}`
      await killOne(scene, isVictim, at)
      checkLightly(scene.cli, at)
      if (round % FULL_CHECK === 0) await checkFully(scene, at)
    }
    scene.cli.ok(['system', 'prune', '-a', '-f'])
    assert.deepEqual(filesOf(scene.cli.root), freshStore(t), `seed ${seed}`)
  })
})

async function openScene(t: TestContext, rng: Random): Promise<Scene> {
  const cli = openCli(t)
  makeBase(cli)
  cli.ok(['run', '--rm', 'base', 'true'])
  const files = Array.from({ length: FILES }, (_, n) => [`files/${n}`, `file ${n}\n`] as const)
  const context = writeContext(cli, { Dockerfile: DOCKERFILE, ...Object.fromEntries(files) })
  const scene: Scene = { cli, context, rng, ms: { build: 0, run: 0 }, mode: modeOf(cli) }
  for (const what of ['build', 'run'] as const) {
    const begin = Date.now()
    const { code, stderr } = await start(scene, what).running.ended
    assert.equal(code, 0, stderr)
    scene.ms[what] = Date.now() - begin
  }
  return scene
}

/** Starts something that has never run before, not even in part but for its base. */
function start({ cli, context }: Scene, what: 'build' | 'run'): Started {
  const token = `chaos-${randomBytes(6).toString('hex')}`
  writeFileSync(join(context, 'files/mark'), token)
  const args = {
    build: buildArgs(context, token),
    run: ['run', '--rm', '-e', `MARK=${token}`, 'base', 'sh', '-c', 'sleep 0.1 && echo "$MARK" > /m && sleep 0.2'],
  }
  return { running: cli.start(args[what], { stdio: ['ignore', 'pipe', 'pipe'] }), token }
}

function buildArgs(context: string, token: string): string[] {
  return ['build', '--progress', 'plain', '-t', 'result', '--build-arg', `MARK=${token}`, context]
}

/** Kills a victim at a random moment of a build or a run; starts again, to kill earlier, where that ends before. */
async function killOne(scene: Scene, isVictim: (pid: number, started: Started) => boolean, at: string): Promise<void> {
  const what = scene.rng.below(4) ? 'build' : 'run'
  for (let ms = scene.rng.below(scene.ms[what]); ; ms >>= 1) {
    const started = start(scene, what)
    const { child, pid, ended } = started.running
    const exited = once(child, 'exit')
    await new Promise((done) => setTimeout(done, ms))
    const tree = await killWhenThere(scene, started, isVictim)
    const [code, signal] = await exited
    const where = `${at}, ${what}, ${ms} ms`
    // The others end by themselves, also where that is to be seen only through a broken pipe.
    const left = await untilNone(() => leftOver(scene.cli, started, tree ?? []))
    assert.deepEqual(left, [], where)
    assert.equal(modeOf(scene.cli), scene.mode, where)
    const { stderr } = await ended
    assert.ok(signal === null || tree?.[0] === pid, `${where}: ${signal}\n${stderr}`)
    assert.doesNotMatch(stderr, /^ +at .*:\d+:\d+\)?$/m, where)
    if (!tree) assert.equal(code, 0, `${where}\n${stderr}`)
    // Killing an idle helper process fails nothing, but a half-done step must not pass for a whole one.
    if (code === 0 && what === 'build') checkResult(scene, where)
    if (tree) return
  }
}

/** @returns the victim and all other processes as they were then; undefined where the command ended without one */
async function killWhenThere({ rng }: Scene, started: Started, isVictim: (pid: number, started: Started) => boolean) {
  const { child, pid } = started.running
  while (child.exitCode === null && child.signalCode === null) {
    const tree = processTree(pid)
    const victims = tree.filter((p) => isVictim(p, started))
    if (victims.length > 0) {
      const victim = rng.pick(victims)
      if (tryKill(victim)) return [victim, ...tree]
    }
    await new Promise((done) => setTimeout(done, 2))
  }
  return undefined
}

function tryKill(pid: number): boolean {
  try {
    return process.kill(pid, 'SIGKILL')
  } catch {
    return false
  }
}

function leftOver(cli: Cli, { token }: Started, tree: readonly number[]): string[] {
  const marked = readdirSync('/proc').filter((p) => /^\d+$/.test(p) && Number(p) !== process.pid && hasToken(p, token))
  return [
    ...processesOf(cli).map((p) => `process ${p.pid}: ${p.command}`),
    ...[...tree, ...marked.map(Number)].filter(isAlive).map((p) => `process ${p}: ${read(p, 'cmdline')}`),
    ...mountsOf(cli.root),
  ]
}

function hasToken(pid: string, token: string): boolean {
  return read(pid, 'environ').includes(token) || read(pid, 'cmdline').includes(token)
}

/** @returns what is still there after five seconds */
async function untilNone(find: () => string[]): Promise<string[]> {
  for (let tries = 0; ; tries++) {
    const found = find()
    if (found.length === 0 || tries === 100) return found
    await new Promise((done) => setTimeout(done, 50))
  }
}

function checkLightly(cli: Cli, at: string): void {
  assert.ok(cli.images().length > 0, at)
  assert.doesNotMatch(cli.ok(['ps', '-a', '--format', '{{.ID}} {{.State}}']), /running/, at)
}

async function checkFully(scene: Scene, at: string): Promise<void> {
  const { cli, context } = scene
  cli.ok(buildArgs(context, readFileSync(join(context, 'files/mark'), 'utf8')))
  checkResult(scene, at)
  const images = cli.images()
  assert.equal(JSON.parse(cli.ok(['inspect', ...images])).length, images.length, at)
  const save = await cli.start(['save', ...images], { stdio: ['ignore', 'ignore', 'pipe'] }).ended
  assert.equal(save.code, 0, `${at}\n${save.stderr}`)
}

/** The last build's image prints what only all of its steps together make. */
function checkResult({ cli, context }: Scene, at: string): void {
  const token = readFileSync(join(context, 'files/mark'), 'utf8')
  assert.equal(cli.ok(['run', '--rm', 'result']), `${token}\nother ${token}\n${FILES + 1}\nfile 7\n`, at)
}

/** Empty where this user can have one mode only. */
function modeOf(cli: Cli): string {
  const file = join(cli.root, 'mode.json')
  return existsSync(file) ? readFileSync(file, 'utf8') : ''
}

/** Files of a store in which nothing ever went wrong and everything was removed. */
function freshStore(t: TestContext): string[] {
  const cli = openCli(t)
  makeBase(cli)
  cli.ok(['run', '--rm', 'base', 'true'])
  cli.ok(['system', 'prune', '-a', '-f'])
  return filesOf(cli.root)
}

/** Each file with its size in bytes, each folder without (file systems don't shrink them). */
function filesOf(root: string): string[] {
  const names = readdirSync(root, { recursive: true, encoding: 'utf8' }).sort()
  return names.map((name) => {
    const stat = lstatSync(join(root, name))
    return stat.isDirectory() ? `${name}/` : `${name} ${stat.size}`
  })
}

function isHelper(pid: number): boolean {
  return /^([^\0]*\/)?tsbox-helper\0/.test(read(pid, 'cmdline'))
}

function parentOf(pid: number): number {
  return Number(/\) \S (\d+) /.exec(read(pid, 'stat'))?.[1])
}

function read(pid: number | string, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'latin1')
  } catch {
    return ''
  }
}
