/** The shell lines of docs/ci.md, each recipe's in an imitation of its place. */
import assert from 'node:assert/strict'
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { load } from 'js-yaml'
import { openCli, type Ran, REPO, requireBox, startProgram } from '../helpers/cli.js'
import { requireProgram } from '../helpers/programs.js'

/** Text of the code block of a section; the n-th of its language. */
function block(section: string, language: string, n = 0): string {
  const text = readFileSync(join(REPO, 'docs/ci.md'), 'utf8').split(`\n## ${section}`)[1]!.split('\n## ')[0]!
  return [...text.matchAll(/^```(\w+)\n(.*?)^```$/gms)].filter((m) => m[1] === language)[n]![2]!
}

/** What is left out because it needs root, or a registry of packages. */
function shellLines(text: string): string {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => !/^(sudo|npm install) /.test(line))
    .join('\n')
}

const DOCKERFILE = readFileSync(join(REPO, 'docs/ci.md'), 'utf8').split('```dockerfile\n')[1]!.split('```')[0]!

/** A job's machine: folders, and an environment of which nothing is this test's. */
class Job {
  readonly dir: string
  readonly context: string
  readonly env: Record<string, string>

  constructor(t: TestContext, env: (dir: string) => Record<string, string>, workspace = 'checkout') {
    const cli = openCli(t)
    this.dir = cli.dir
    this.context = join(cli.dir, workspace)
    mkdirSync(this.context, { recursive: true })
    writeFileSync(join(this.context, 'Dockerfile'), DOCKERFILE)
    writeFileSync(join(this.context, '.dockerignore'), '.build-cache\n*.tar\nresults\n')
    const path = `${join(REPO, 'bin')}:${dirname(process.execPath)}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin`
    this.env = { PATH: path, ...env(cli.dir) }
  }

  /** Runs lines with a base image in the store that they name; `wrap` puts the place around the shell. */
  async run(lines: string, wrap: readonly string[] = []): Promise<Ran> {
    const base = 'tsbox image from-host base sh cat id mkdir > /dev/null'
    // The base goes into the store once the lines have said where that is.
    const script = lines.replace('tsbox doctor', `${base}\ntsbox doctor`)
    const command = [...wrap, 'sh', '-ec', script]
    return await startProgram(command[0]!, command.slice(1), {
      cwd: this.context,
      env: this.env,
      stdio: ['ignore', 'pipe', 'pipe'],
    }).ended
  }
}

function assertBuilt(ran: Ran): void {
  assert.equal(ran.code, 0, ran.stdout + ran.stderr)
  assert.match(ran.stdout, /^ {2}backend +namespace$/m)
  assert.match(ran.stdout, /^uid=0\(root\) gid=0\(root\)/m, 'the container ran')
}

test('GitHub Actions: the steps, and again with the cache of the first time', async (t) => {
  if (!(await requireBox(t))) return
  const { jobs } = load(block('GitHub Actions', 'yaml')) as {
    jobs: Record<string, { steps: { run?: string }[] }>
  }
  const lines = shellLines(jobs.image!.steps.flatMap((s) => s.run ?? []).join('\n'))
  const job = new Job(t, (dir) => ({
    CI: 'true',
    GITHUB_ACTIONS: 'true',
    HOME: join(dir, 'home'),
    TSBOX_ROOT: join(dir, 'store'),
  }))
  mkdirSync(job.env.HOME!)
  assertBuilt(await job.run(lines))
  assert.ok(existsSync(join(job.context, 'app.tar')))
  job.env.TSBOX_ROOT = join(job.dir, 'another')
  const again = await job.run(lines)
  assertBuilt(again)
  assert.match(again.stderr, /^#\d+ CACHED$/m)
})

test('GitLab: in a container with one id', async (t) => {
  if (!(await requireBox(t)) || !requireProgram(t, 'unshare', 'util-linux')) return
  const { image } = load(block('GitLab runner', 'yaml')) as {
    image: { before_script: string[]; script: string[]; variables: Record<string, string> }
  }
  const job = new Job(t, (dir) => ({
    CI: 'true',
    HOME: '/root',
    CI_BUILDS_DIR: dir,
    TSBOX_ROOT: image.variables.TSBOX_ROOT!.replace('$CI_BUILDS_DIR', dir),
  }))
  const lines = shellLines([...image.before_script, ...image.script].join('\n'))
  assertBuilt(await job.run(lines, ['unshare', '-Urmpf', '--mount-proc']))
  assert.ok(existsSync(join(job.context, 'app.tar')))
})

test('Kubernetes: a random user, no home, a read-only root, no new privileges', async (t) => {
  if (!(await requireBox(t)) || !requireProgram(t, 'unshare', 'util-linux')) return
  const pod = load(block('Kubernetes, with a restricted security context', 'yaml')) as {
    spec: {
      securityContext: { runAsUser: number }
      containers: { args: string[]; env: { name: string; value: string }[] }[]
    }
  }
  const [container] = pod.spec.containers
  const uid = String(pod.spec.securityContext.runAsUser)
  const job = new Job(
    t,
    (dir) => Object.fromEntries(container!.env.map((e) => [e.name, e.value.replace('/work', join(dir, 'work'))])),
    'work/src',
  )
  const work = join(job.dir, 'work')
  const lines = container!.args[0]!.replaceAll('/work/', `${work}/`)
  // The root is made read-only by a namespace around the pod's, which has one user, and none of that name.
  const outer = `mount --bind "$0" "$0" && mount -o remount,bind,ro / && exec "$@"`
  const ran = await job.run(`! touch /tsbox-writes 2> /dev/null\ntest -z "$HOME"\ntest "$(id -u)" = ${uid}\n${lines}`, [
    ...['unshare', '-Urm', 'sh', '-c', outer, work],
    ...['unshare', '-U', `--map-user=${uid}`, `--map-group=${uid}`, 'setpriv', '--no-new-privs'],
  ])
  assertBuilt(ran)
  assert.match(ran.stdout, /^ {2}id mode +single$/m)
  assert.ok(existsSync(join(work, 'app.tar')))
})

test('Jenkins: a workspace with spaces, and what is done afterwards', async (t) => {
  if (!(await requireBox(t))) return
  const scripts = [...block('Jenkins', 'groovy').matchAll(/sh '''\n(.*?)'''/gs)].map((m) => shellLines(m[1]!))
  assert.equal(scripts.length, 2)
  const job = new Job(
    t,
    (dir) => ({ HOME: dir, WORKSPACE_TMP: join(dir, 'jobs/my job@tmp'), BUILD_TAG: 'x' }),
    'jobs/my job@2',
  )
  const ran = await job.run(scripts[0]!)
  assertBuilt(ran)
  const after = await job.run(scripts[1]!)
  assert.equal(after.code, 0, after.stderr)
})

test('Slurm: a read-only home, a folder of the node, nothing left in it', async (t) => {
  if (!(await requireBox(t))) return
  const job = new Job(t, (dir) => ({ HOME: join(dir, 'home'), TMPDIR: join(dir, 'node'), SLURM_JOB_ID: '4711' }))
  mkdirSync(job.env.TMPDIR!)
  mkdirSync(job.env.HOME!)
  chmodSync(job.env.HOME!, 0o555)
  const ran = await job.run(block('Slurm', 'sh'))
  assert.equal(ran.code, 0, ran.stdout + ran.stderr)
  assert.match(readFileSync(join(job.context, 'results/id'), 'utf8'), /^uid=0\(root\)/)
  assert.ok(!existsSync(join(job.env.TMPDIR!, 'tsbox-4711')), 'the store is gone')
})
