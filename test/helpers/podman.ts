import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { type Cli, onPath, skip } from './cli.js'

/**
 * podman on a store of its own below a test's folder, as the user who runs the tests. Without subordinate ids it maps
 * one id and drops owners, but loads and runs what root of an image runs.
 */
export class Podman {
  readonly #cli: Cli
  #works: boolean | string | undefined

  constructor(cli: Cli) {
    this.#cli = cli
  }

  /** True where podman works for this user; else the test is skipped, which TSBOX_MUST_WORK=1 makes a failure. */
  required(t: TestContext): boolean {
    this.#works ??= this.#probe()
    return this.#works === true || skip(t, String(this.#works))
  }

  /** Runs podman; must succeed. @returns its standard output */
  ok(args: readonly string[]): string {
    const run = this.#run(args)
    if (run.status !== 0) throw new Error(`podman ${args.join(' ')} ended with ${run.status}: ${run.stderr}`)
    return run.stdout
  }

  /** Runs a container without a network. @returns its output; undefined, with the test skipped, where runc may not */
  runs(t: TestContext, args: readonly string[]): string | undefined {
    const once = () => this.#run(['run', '--rm', '--network', 'none', ...args])
    let run = once()
    // podman 4 on a busy machine may ask for an exit code before its monitor has written it.
    for (let again = 0; again < 3 && /no such exit code/.test(run.stderr); again++) run = once()
    if (run.status === 0) return run.stdout
    // A root without CAP_SYS_RESOURCE, as that of a container, can't raise the limits that podman asks for.
    if (!/error setting rlimit/.test(run.stderr)) throw new Error(`podman run ended with ${run.status}: ${run.stderr}`)
    skip(t, 'podman may not set limits here: run the tests as an ordinary user')
    return undefined
  }

  /** Saves `example.com/made:1`. */
  save(format: string, to: string): void {
    this.ok(['save', '-q', '--format', format, '-o', to, 'example.com/made:1'])
  }

  /** Removes its store, whose files may belong to mapped users. */
  reset(): void {
    if (this.#works === true) this.#run(['system', 'reset', '-f'])
  }

  #probe(): true | string {
    if (!onPath('podman')) return 'podman is not installed: sudo apt-get install podman'
    if (!onPath('runc')) return 'runc is not installed: sudo apt-get install runc'
    const run = this.#run(['info'])
    return run.status === 0 || `podman does not work for this user: ${run.stderr.trim().split('\n').at(-1)}`
  }

  #run(args: readonly string[]) {
    const place = join(this.#cli.dir, 'podman')
    const global = [
      ...['--root', join(place, 'root'), '--runroot', join(place, 'run'), '--runtime', 'runc'],
      ...['--storage-driver', 'vfs', '--storage-opt', 'vfs.ignore_chown_errors=true'],
    ]
    return spawnSync('podman', [...global, ...args], { encoding: 'utf8', env: this.#cli.env, timeout: 120_000 })
  }
}
