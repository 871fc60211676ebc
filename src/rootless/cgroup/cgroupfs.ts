import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { errnoCode, TsboxError } from '../../base/error.js'
import { type Controller, controllersOf, type Limits, limitFiles } from './limits.js'
import type { CgroupManager, OpenCgroup, PlacedCgroup } from './manager.js'
import { controllersAt, OWN_LEAF } from './site.js'

/** Cgroups below a directory that was handed to this user. */
export class CgroupFs implements CgroupManager {
  readonly kind = 'cgroupfs'
  readonly controllers: ReadonlySet<Controller>
  readonly #parent: string

  /** @param parent absolute directory of a cgroup that this user may write to */
  constructor(parent: string) {
    this.#parent = parent
    this.controllers = controllersAt(parent)
  }

  async open(id: string, limits: Limits): Promise<OpenCgroup> {
    const dir = `${this.#parent}/tsbox-${id.slice(0, 24)}`
    this.#enable(controllersOf(limits))
    attempt('make cgroup', dir, () => mkdirSync(dir))
    const abandon = () => removeCgroup(dir)
    try {
      writeLimits(dir, limits)
    } catch (err) {
      abandon()
      throw err
    }
    return {
      leftover: dir,
      enter: async (pid) => {
        attempt('move into cgroup', dir, () => writeFileSync(`${dir}/cgroup.procs`, String(pid)))
        return { dir }
      },
      abandon,
    }
  }

  async update({ dir }: PlacedCgroup, limits: Limits): Promise<void> {
    writeLimits(dir, limits)
  }

  close(): void {}

  /** Lets children of the parent have controllers. Processes in it forbid that: they move aside, as systemd has it. */
  #enable(wanted: ReadonlySet<Controller>): void {
    const file = `${this.#parent}/cgroup.subtree_control`
    const enabled = readFileSync(file, 'utf8').split(/\s+/)
    const missing = [...wanted].filter((c) => !enabled.includes(c))
    if (!missing.length) return
    const text = missing.map((c) => `+${c}`).join(' ')
    try {
      writeFileSync(file, text)
    } catch (err) {
      if (errnoCode(err) !== 'EBUSY') throw failure('enable controllers', this.#parent, err)
      attempt('move processes aside', this.#parent, () => this.#moveAside())
      attempt('enable controllers', this.#parent, () => writeFileSync(file, text))
    }
  }

  /** @see cgroups(7), "no internal processes" rule */
  #moveAside(): void {
    const leaf = `${this.#parent}/${OWN_LEAF}`
    mkdirSync(leaf, { recursive: true })
    for (const pid of readFileSync(`${this.#parent}/cgroup.procs`, 'utf8').split('\n').filter(Boolean)) {
      try {
        writeFileSync(`${leaf}/cgroup.procs`, pid)
      } catch (err) {
        // It has ended meanwhile.
        if (errnoCode(err) !== 'ESRCH') throw err
      }
    }
  }
}

/** Writes the limits of a cgroup. @throws TsboxError E_CGROUP */
export function writeLimits(dir: string, limits: Limits): void {
  for (const [file, text] of limitFiles(limits)) {
    try {
      writeFileSync(`${dir}/${file}`, text)
    } catch (err) {
      if (file === 'io.weight' && writeBfq(dir, limits)) continue
      // A kernel without swap accounting has no such file: what then limits the memory limits it all.
      if (file === 'memory.swap.max' && /^(ENOENT|EACCES)$/.test(errnoCode(err) ?? '')) continue
      throw failure('set limit', `${dir}/${file}`, err, text)
    }
  }
}

/** Kernels with the BFQ scheduler only have another file, with docker's own numbers. */
function writeBfq(dir: string, { blkioWeight }: Limits): boolean {
  try {
    writeFileSync(`${dir}/io.bfq.weight`, String(blkioWeight))
    return true
  } catch {
    return false
  }
}

/** Removes an empty cgroup; one that is not, or is gone, is left. */
export function removeCgroup(dir: string): void {
  try {
    rmdirSync(dir)
  } catch {}
}

function attempt(what: string, path: string, act: () => void): void {
  try {
    act()
  } catch (err) {
    throw failure(what, path, err)
  }
}

function failure(what: string, path: string, err: unknown, value?: string): TsboxError {
  const errno = errnoCode(err) ?? String(err)
  const foreign = errno === 'EACCES' || errno === 'EPERM' || errno === 'ENOENT'
  return new TsboxError('E_CGROUP', `${what}: ${errno}: "${path}"${value === undefined ? '' : ` to "${value}"`}`, {
    exitCode: 125,
    cause: err,
    hint: foreign
      ? 'tsbox itself must be in the part of the hierarchy that was handed over: systemd-run --user --scope -p Delegate=yes, or have root write the shell into its cgroup.procs'
      : undefined,
  })
}
