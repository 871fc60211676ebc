import type { ContainerRecord } from '../../../container/record.js'
import type { Entry, EntrySink, EntrySource } from '../../../layer/entry.js'
import { Control } from '../../../rootless/control.js'
import { HelperError } from '../../../rootless/error.js'
import { claimNow } from '../../../util/claim.js'
import { prepareStep } from '../../run/start-container.js'
import type { Lifecycle, LifecycleDeps } from '../lifecycle.js'

/** Files of a container as its own processes see them, its volumes and mounts included. @throws {HelperError} */
export interface ContainerFiles {
  look(path: string, follow: boolean): Promise<Entry>
  read(path: string, follow: boolean, sink: EntrySink): Promise<void>
  write(dir: string, source: EntrySource): Promise<void>
}

/**
 * Works on the files of a container: within the one that runs, or with the mounts of one that does not made for it; that
 * can't be started meanwhile.
 */
export async function withFiles<T>(
  deps: LifecycleDeps,
  life: Lifecycle,
  record: ContainerRecord,
  use: (files: ContainerFiles) => Promise<T>,
): Promise<T> {
  if (life.state(record)?.status === 'running') return await use(filesOf(() => life.control(record)))
  const claim = claimNow(deps.store.place.path('leases', `start-${record.id.slice(0, 16)}.claim`))
  try {
    // It may have been started before that.
    const now = life.find(record.id)
    if (life.state(now)?.status === 'running') return await use(filesOf(() => life.control(now)))
    return await withMounts(deps, life, now, use)
  } finally {
    claim.release()
  }
}

async function withMounts<T>(
  deps: LifecycleDeps,
  life: Lifecycle,
  record: ContainerRecord,
  use: (files: ContainerFiles) => Promise<T>,
): Promise<T> {
  const step = await prepareStep(await deps.startDeps(record), record, {
    stdio: { mode: 'frames', stdin: false },
    monitored: true,
  })
  const folder = life.dir(record)
  try {
    await step.monitor({ folder })
    const connect = async () => {
      const control = await Control.connect(folder)
      if (!control) throw new HelperError('monitor', '', '')
      return control
    }
    return await use(filesOf(connect))
  } finally {
    await step.finish()
  }
}

function filesOf(connect: () => Promise<Control>): ContainerFiles {
  const talk = async <T>(work: (control: Control) => Promise<T>) => {
    const control = await connect()
    try {
      return await work(control)
    } finally {
      control.close()
    }
  }
  return {
    look: (path, follow) => talk((control) => control.look(path, follow)),
    read: (path, follow, sink) => talk((control) => control.copyOut(path, follow, sink)),
    write: (dir, source) => talk((control) => control.copyIn(dir, source)),
  }
}
