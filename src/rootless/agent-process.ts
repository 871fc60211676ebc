import { type ChildProcess, spawn } from 'node:child_process'
import type { Socket } from 'node:net'
import type { AgentOptions } from './agent.js'
import { HelperError } from './error.js'
import { F, FrameWriter } from './frames.js'
import { decodeError, Lane } from './lane.js'
import type { IdExtent } from './plan.js'

const METHODS = { single: 0, newidmap: 1, direct: 2, host: 3, join: 4 } as const
const JOIN_SINGLE = 5
const NO_PATH = ''

function encodeStart(w: FrameWriter, maps: AgentOptions['maps']): void {
  const programs = maps.method === 'newidmap' ? [maps.newuidmap, maps.newgidmap] : [NO_PATH, NO_PATH]
  const extents: IdExtent[][] = 'uids' in maps ? [maps.uids, maps.gids] : [[], []]
  w.begin(F.START).u8(maps.method === 'join' && maps.mode === 'single' ? JOIN_SINGLE : METHODS[maps.method])
  for (const program of programs) w.str(program)
  for (const list of extents) {
    w.u32(list.length)
    for (const e of list) w.u32(e.inside).u32(e.outside).u32(e.count)
  }
  w.u32(maps.method === 'join' ? maps.pid : 0)
  w.end()
}

/** What the helper is told first. */
export function startFrame(maps: AgentOptions['maps']): Buffer {
  const w = new FrameWriter()
  encodeStart(w, maps)
  return w.take()
}

/** The helper's process and its lanes; the first one is the control lane, whose end is the helper's. */
export interface AgentProcess {
  lanes: Lane[]
  /** Settles when the process is gone. */
  gone: Promise<void>
  close(): Promise<void>
}

/**
 * Starts the helper and waits until it is root of its namespace.
 *
 * @throws {HelperError}
 */
export async function startProcess(options: AgentOptions): Promise<AgentProcess> {
  const count = (options.lanes ?? 12) + 1
  const args = ['agent', String(count), ...(options.living ? [String(options.living)] : [])]
  const child = spawn(options.helperPath, args, {
    stdio: ['inherit', 'inherit', 'inherit', ...Array.from({ length: count }, () => 'pipe' as const)],
  })
  const gone = new Promise<void>((done) => child.on('close', () => done()).on('error', () => done()))
  const failed = spawnFailure(child, options.helperPath)
  const lanes = child.stdio.slice(3).map((s) => new Lane(s as Socket))
  const control = lanes[0]!
  const process = { lanes, gone, close: () => close(child, lanes, gone) }
  try {
    await Promise.race([failed, started(control, options.maps)])
  } catch (err) {
    for (const lane of lanes) lane.destroy()
    throw err
  }
  child.unref()
  for (const lane of lanes) lane.hold(false)
  return process
}

function spawnFailure(child: ChildProcess, path: string): Promise<never> {
  return new Promise((_, reject) => {
    child.on('error', (err: NodeJS.ErrnoException) =>
      reject(new HelperError('start helper', err.code ?? '', path, { hint: 'npm run build' })),
    )
  })
}

/** Tells the helper its namespaces; settles when it is in them. @throws {HelperError} */
export function started(control: Lane, maps: AgentOptions['maps']): Promise<void> {
  return new Promise((resolve, reject) => {
    control.attach({
      frame(type, payload) {
        if (type === F.READY) {
          control.attach(undefined)
          resolve()
        } else if (type === F.ERROR) reject(decodeError(payload))
      },
      data() {},
      closed: () => reject(new HelperError('start helper', '', '')),
    })
    control.send(startFrame(maps))
  })
}

async function close(child: ChildProcess, lanes: readonly Lane[], gone: Promise<void>): Promise<void> {
  child.ref()
  // All of them: one that waits for the helper's end of it keeps no process alive, and this one would end before its time.
  for (const lane of lanes) lane.destroy()
  await gone
}
