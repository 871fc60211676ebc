import type { RunRequest } from '../../engine/api.js'
import { lazyProgress } from '../progress/lazy.js'
import type { Shell } from '../shell.js'

/**
 * Runs work that may have to pull an image first, and shows that: ended before a container has the terminal.
 *
 * @param when `--pull`, as given
 */
export async function showingPull<T>(
  when: NonNullable<RunRequest['pull']>['when'] | undefined,
  { shell, debug, image, quiet }: { shell: Shell; debug: boolean; image: string; quiet: boolean },
  work: (pull: RunRequest['pull']) => Promise<T>,
): Promise<T> {
  const progress = lazyProgress(shell, { debug, quiet }, () => {
    if (!quiet && when !== 'always') shell.stderr.write(`Unable to find image '${image}' locally\n`)
  })
  try {
    return await work({ when: when ?? 'missing', progress: progress.sink, done: () => progress.end() })
  } finally {
    await progress.end()
  }
}
