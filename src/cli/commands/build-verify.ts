import type { VerifyOutcome } from '../../engine/api.js'
import { printable } from '../printable.js'
import type { Output } from '../shell.js'

/** Tells what building twice came to. */
export function tellVerified({ difference, epoch }: VerifyOutcome, out: Output): void {
  if (difference) {
    const { step, path, how, detail, hint } = difference
    const lines = [
      `the two builds differ, first in ${printable(step)}`,
      `  ${[path, how.join(', ')].filter(Boolean).map(printable).join(': ')}`,
      ...detail.map((line) => `  ${printable(line)}`),
      `hint: ${hint}`,
    ]
    out.write(`\n${lines.join('\n')}\n`)
    return
  }
  const dates = epoch ? '' : ' (the dates of the image itself are fixed only with SOURCE_DATE_EPOCH or --reproducible)'
  out.write(`\nverified: two builds without the cache gave the same files in every layer of the image${dates}\n`)
}
