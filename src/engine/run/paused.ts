import { existsSync, readFileSync } from 'node:fs'
import type { PlacedCgroup } from '../../rootless/cgroup/manager.js'

/** In the container's folder: the cgroup that it is in. */
export const CGROUP_FILE = 'cgroup.json'
/** In the same place: its processes are stopped by a signal. */
export const PAUSED_FILE = 'paused'

/** In the same place: its processes are in a pid namespace with others. */
export const AMONG_OTHERS_FILE = 'among-others'

/** The cgroup of a container that runs; undefined where it is in none of its own. @param folder the container's */
export function cgroupOfContainer(folder: string): PlacedCgroup | undefined {
  const text = readText(`${folder}/${CGROUP_FILE}`)
  return text === '' ? undefined : (JSON.parse(text) as PlacedCgroup)
}

/** Whether a container that runs is paused. @param folder the container's */
export function isPaused(folder: string): boolean {
  const cgroup = cgroupOfContainer(folder)
  if (cgroup) return readText(`${cgroup.dir}/cgroup.freeze`).trim() === '1'
  return existsSync(`${folder}/${PAUSED_FILE}`)
}

/** '' where it can't be read. */
export function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
