import type { BuildRequest } from '../../engine/api.js'

/** What --userns may be. After the colon: less than the whole emulation of ids. */
export const USERNS = ['auto', 'subid', 'single', 'single:no-stat', 'single:errno', 'host'] as const

/** What a choice asks the engine for. */
export function usernsOf(choice: (typeof USERNS)[number] | undefined): Pick<BuildRequest, 'userns' | 'emulation'> {
  if (choice === 'single:no-stat') return { userns: 'single', emulation: 'no-stat' }
  if (choice === 'single:errno') return { userns: 'single', emulation: 'errno' }
  return { userns: choice ?? 'auto' }
}
