import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { TsboxError } from '../../base/error.js'

/**
 * The container's processes as this machine's `ps` shows them.
 *
 * @param monitor pid of the container's monitor or worker; its child is the container's init
 * @throws TsboxError E_PS
 */
export function topOf(init: number, psArguments: readonly string[]): string {
  const args = psArguments.length ? psArguments : ['-ef']
  const run = spawnSync('ps', args, { encoding: 'utf8', maxBuffer: 1 << 26 })
  if (run.error)
    throw new TsboxError('E_PS', `list processes: there is no ps on this machine: ${run.error.message}`, {
      hint: 'sudo apt-get install procps',
    })
  if (run.status !== 0) throw new TsboxError('E_PS', `list processes: ps ${args.join(' ')}: ${run.stderr.trim()}`)
  const [heading = '', ...lines] = run.stdout.split('\n').filter((l) => l !== '')
  const at = heading.trim().split(/\s+/).indexOf('PID')
  if (at < 0) throw new TsboxError('E_PS', "list processes: couldn't find PID field in ps output")
  const own = new Set(processesBelow(init).map(String))
  return `${[heading, ...lines.filter((l) => own.has(l.trim().split(/\s+/)[at] ?? ''))].join('\n')}\n`
}

/** All descendants: in a container orphans become children of its init. */
function processesBelow(init: number): number[] {
  const out = childrenOf(init)
  for (let i = 0; i < out.length; i++) out.push(...childrenOf(out[i]!))
  return out
}

/** In the order in which they were born. */
export function childrenOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').split(' ').filter(Boolean).map(Number)
  } catch {
    return []
  }
}
