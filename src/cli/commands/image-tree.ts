import type { ImageSummary } from '../../engine/api.js'
import { alignColumns } from '../format/table.js'
import { humanSize, shortId } from '../format/units.js'

/** Images with the platforms that are here below each, as docker's `images --tree`; `U` marks what a container uses. */
export function imageTree(images: readonly ImageSummary[]): string {
  const rows: string[][] = [['IMAGE', 'ID', 'DISK USAGE', 'CONTENT SIZE', 'EXTRA']]
  for (const image of images) {
    const used = image.containers > 0 ? 'U' : ''
    const sizes = [humanSize(image.sizeBytes), humanSize(image.contentBytes)]
    const name = image.repository === undefined ? '<untagged>' : `${image.repository}:${image.tag}`
    rows.push([name, shortId(image.manifestDigest), ...sizes, used])
    rows.push([`└─ ${image.platform}`, shortId(image.id), ...sizes, used])
  }
  return alignColumns(rows)
}
