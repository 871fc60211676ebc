import type { Tool } from '../command.js'
import { archiveTools } from './archive.js'
import { compareTools } from './compare.js'
import { copyTools } from './copy.js'
import { date } from './date.js'
import { find } from './find.js'
import { grepTools } from './grep.js'
import { ls } from './ls.js'
import { metadataTools } from './metadata.js'
import { miscTools } from './misc.js'
import { pathTools } from './paths.js'
import { sed } from './sed/sed.js'
import { sort } from './sort.js'
import { textTools } from './text.js'
import { tr } from './tr.js'

/** Programs that every Linux has, here as functions, by name. */
export const TOOLS: Readonly<Record<string, Tool>> = {
  ...archiveTools,
  ...compareTools,
  ...copyTools,
  ...grepTools,
  ...metadataTools,
  ...miscTools,
  ...pathTools,
  ...textTools,
  date,
  find,
  ls,
  sed,
  sort,
  tr,
}
