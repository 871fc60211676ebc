/** The shell against dash and the tools of this machine: same output, status and files. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { lstatSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { REPO } from '../helpers/cli.js'
import { requireProgram } from '../helpers/programs.js'
import { runShell, type ScriptRun } from './shell-run.js'

const scripts = readdirSync(join(REPO, 'fixtures/shell'))
  .sort()
  .flatMap((file) =>
    readFileSync(join(REPO, 'fixtures/shell', file), 'utf8')
      .split(/^#### /m)
      .slice(1)
      .map((part) => {
        const end = part.indexOf('\n')
        return { name: `${file.replace('.txt', '')}: ${part.slice(0, end)}`, script: part.slice(end + 1) }
      }),
  )

/** Archives hold times and owners, so what is in them is compared by what the scripts print. */
const ARCHIVE = /\.(?:tar|tgz|gz)$|(?:^|\/)t$/

for (const { name, script } of scripts)
  test(`as dash: ${name}`, (t) => {
    if (!requireProgram(t, 'dash')) return
    const ours = runShell(script)
    const theirs = runDash(script)
    assert.equal(ours.stdout, theirs.stdout, `${script}\n${ours.stderr}\n${theirs.stderr}`)
    assert.equal(ours.status, theirs.status, ours.stderr)
    assert.deepEqual(withoutArchives(ours.tree), withoutArchives(theirs.tree))
  })

function withoutArchives(tree: ScriptRun['tree']): ScriptRun['tree'] {
  return Object.fromEntries(Object.entries(tree).map(([path, what]) => [path, ARCHIVE.test(path) ? 'archive' : what]))
}

function runDash(script: string): ScriptRun {
  const dir = mkdtempSync(join(tmpdir(), 'tsbox-dash-'))
  try {
    const env = { PATH: '/usr/local/bin:/usr/bin:/bin', HOME: dir, LC_ALL: 'C', TZ: 'UTC' }
    const ran = spawnSync('sh', ['-c', 'umask 022; exec dash -c "$1" sh', 'sh', script], {
      cwd: dir,
      env,
      input: '',
      timeout: 20_000,
    })
    const tree: Record<string, string> = {}
    list(dir, '', tree)
    // Where the script runs is the only thing that may differ.
    const text = (bytes: Buffer) => bytes.toString('latin1').replaceAll(dir, '/work')
    return { stdout: text(ran.stdout), stderr: text(ran.stderr), status: ran.status ?? -1, tree }
  } finally {
    spawnSync('chmod', ['-R', 'u+rwx', dir])
    rmSync(dir, { recursive: true, force: true })
  }
}

function list(dir: string, prefix: string, out: Record<string, string>): void {
  for (const name of readdirSync(dir)) {
    const path = join(dir, name)
    const stat = lstatSync(path)
    const mode = (stat.mode & 0o7777).toString(8)
    if (stat.isSymbolicLink()) out[prefix + name] = `symlink ${readlinkSync(path)}`
    else if (stat.isDirectory()) {
      out[prefix + name] = `dir ${mode}`
      list(path, `${prefix}${name}/`, out)
    } else out[prefix + name] = `file ${mode} ${readFileSync(path, 'latin1')}`
  }
}
