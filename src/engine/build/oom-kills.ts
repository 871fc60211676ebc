import { readFileSync } from 'node:fs'

/**
 * How many processes the kernel has ended for want of memory since it booted, whether the machine's or a control
 * group's; 0 where it does not tell.
 *
 * @see proc_vmstat(5), Documentation/admin-guide/cgroup-v2.rst
 */
export function oomKills(): number {
  try {
    return Number(/^oom_kill (\d+)$/m.exec(readFileSync('/proc/vmstat', 'latin1'))?.[1] ?? 0)
  } catch {
    return 0
  }
}
