import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { TsboxError } from '../../base/error.js'
import type { ContainerRecord } from '../../container/record.js'
import type { Control } from '../../rootless/control.js'
import { AMONG_OTHERS_FILE, cgroupOfContainer, PAUSED_FILE, readText } from '../run/paused.js'

/** The kernel freezes a process at its next way out of the kernel. */
const FROZEN_WITHIN_MS = 10_000

/**
 * Pauses a container that runs, or lets it go on: by the freezer of its cgroup, else by SIGSTOP to all of its processes
 * at once, which their parents can tell.
 *
 * @throws TsboxError E_PAUSE
 */
export async function setPaused(record: ContainerRecord, folder: string, control: Control, on: boolean): Promise<void> {
  const cgroup = cgroupOfContainer(folder)
  if (cgroup) {
    await freeze(record, cgroup.dir, on)
    return
  }
  if (existsSync(`${folder}/${AMONG_OTHERS_FILE}`))
    throw new TsboxError('E_PAUSE', `pause: its processes are among those of others: "${record.name}"`, {
      hint: 'give it a cgroup of its own: TSBOX_CGROUP names one that root handed over',
    })
  // Before it holds, so that who finds it stopped finds the reason too.
  if (on) writeFileSync(`${folder}/${PAUSED_FILE}`, '')
  await control.pause(on)
  if (!on) rmSync(`${folder}/${PAUSED_FILE}`, { force: true })
}

async function freeze(record: ContainerRecord, dir: string, on: boolean): Promise<void> {
  try {
    writeFileSync(`${dir}/cgroup.freeze`, on ? '1' : '0')
  } catch (cause) {
    throw new TsboxError('E_PAUSE', `pause: its cgroup can't be written to: "${record.name}": ${cause}`, { cause })
  }
  const wanted = on ? /^frozen 1$/m : /^frozen 0$/m
  const start = performance.now()
  while (!wanted.test(readText(`${dir}/cgroup.events`))) {
    // It ended meanwhile, and its cgroup went with it.
    if (!existsSync(dir)) return
    if (performance.now() - start > FROZEN_WITHIN_MS)
      throw new TsboxError('E_PAUSE', `pause: its processes do not stop: "${record.name}"`)
    await new Promise((done) => setTimeout(done, 1))
  }
}
