import type { ProgressEvent, ProgressSink } from '../../build/progress/event.js'
import type { Shell } from '../shell.js'
import type { Progress } from './open.js'

/**
 * Progress of what most calls never come to: nothing of it is loaded before the first event.
 *
 * @param before is called once then
 */
export function lazyProgress(
  shell: Shell,
  { debug, quiet }: { debug: boolean; quiet: boolean },
  before: () => void,
): { sink: ProgressSink; end(): Promise<void> } {
  let opened: Promise<Progress> | undefined
  let progress: Progress | undefined
  let ended = false
  const waiting: ProgressEvent[] = []
  const open = async () => {
    before()
    const { openProgress, progressMode } = await import('./open.js')
    progress = await openProgress(progressMode(undefined, quiet, shell), shell, debug)
    for (const event of waiting.splice(0)) progress.sink(event)
    return progress
  }
  return {
    sink(event) {
      if (progress) return progress.sink(event)
      waiting.push(event)
      opened ??= open()
    },
    async end() {
      if (ended || !opened) return
      ended = true
      ;(await opened).end()
    },
  }
}
