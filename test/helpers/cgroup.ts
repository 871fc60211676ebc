import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { skip } from './cli.js'
import { requireProgram } from './programs.js'
import { until } from './userns.js'

/**
 * A cgroup of the unified hierarchy that root handed to this user, with this process in its child `self`: only root can
 * hand one over. `.ci/run` names it in TSBOX_TEST_CGROUP.
 */
export function handedOver(t: TestContext): string | undefined {
  const dir = process.env.TSBOX_TEST_CGROUP
  if (dir && existsSync(join(dir, 'cgroup.procs'))) return dir
  skip(
    t,
    'no cgroup was handed over: as root, mkdir -p DIR/self in /sys/fs/cgroup (or unified below it), chown DIR, its cgroup.procs and its cgroup.subtree_control, put the shell into DIR/self, and set TSBOX_TEST_CGROUP=DIR',
  )
  return undefined
}

/**
 * A systemd of this user's own, in a cgroup that was handed over: the real program, which only has to believe that the
 * machine was booted with it.
 *
 * @returns its XDG_RUNTIME_DIR
 */
export async function userSystemd(t: TestContext): Promise<string | undefined> {
  const dir = handedOver(t)
  if (dir === undefined || !requireProgram(t, 'bwrap', 'bubblewrap')) return undefined
  const program = ['/usr/lib/systemd/systemd', '/lib/systemd/systemd'].find((p) => existsSync(p))
  if (!program) {
    skip(t, 'systemd is not installed: sudo apt-get install systemd dbus')
    return undefined
  }
  const runtime = mkdtempSync(join(tmpdir(), 'tsbox-systemd-'))
  const group = join(dir, `systemd-${process.pid}`)
  mkdirSync(group)
  const inside = ['--dev-bind', '/', '/', '--tmpfs', '/run', '--dir', '/run/systemd/system', '--die-with-parent']
  const script = 'echo $$ > "$0/cgroup.procs" && exec bwrap "$@"'
  const child = spawn('sh', ['-c', script, group, ...inside, program, '--user', '--unit=basic.target'], {
    env: { PATH: process.env.PATH, HOME: runtime, XDG_RUNTIME_DIR: runtime, SYSTEMD_LOG_TARGET: 'null' },
    stdio: 'ignore',
  })
  t.after(() => endSystemd(child, runtime, group))
  let ended = false
  child.on('exit', () => {
    ended = true
  })
  // Whatever it thinks of its other units.
  const answers = () => spawnSync('systemctl', ['--user', 'show', '-p', 'Version'], { env: env(runtime) }).status === 0
  await until(() => ended || answers())
  if (ended) throw new Error('systemd ended at its start')
  return runtime
}

function env(runtime: string): Record<string, string | undefined> {
  return { PATH: process.env.PATH, XDG_RUNTIME_DIR: runtime }
}

/** Properties of a unit, as systemd has them. */
export function unitProperties(runtime: string, unit: string): Map<string, string> {
  const { stdout } = spawnSync('systemctl', ['--user', 'show', unit], { env: env(runtime), encoding: 'utf8' })
  return new Map(stdout.split('\n').map((line) => line.split(/=(.*)/s) as [string, string]))
}

async function endSystemd(child: ChildProcess, runtime: string, group: string): Promise<void> {
  const gone = new Promise((done) => child.on('exit', done))
  if (child.exitCode === null && child.signalCode === null) {
    // Ends its units, too.
    spawnSync('systemctl', ['--user', 'exit'], { env: env(runtime) })
    await gone
  }
  rmSync(runtime, { recursive: true, force: true })
  spawnSync('find', [group, '-depth', '-type', 'd', '-exec', 'rmdir', '{}', '+'])
}
