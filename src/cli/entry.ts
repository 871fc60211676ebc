/**
 * The file that `bin/tsbox` starts. It answers `--version` alone, because everything else costs milliseconds to load.
 */
import { writeSync } from 'node:fs'
import { Pack, type PackIndex } from './pack.js'
import { versionLine } from './version.js'

declare const TSBOX_PACK: string
declare const TSBOX_PACK_INDEX: PackIndex

const first = process.argv[2]
if (process.argv.length === 3 && (first === '--version' || first === '-v')) writeSync(1, `${versionLine}\n`)
else if (!process.getBuiltinModule) {
  writeSync(2, `tsbox: Node ${process.versions.node} is too old: install Node.js 20.19 or newer (https://nodejs.org)\n`)
  process.exitCode = 125
} else {
  const pack = new Pack(`${__dirname}/${TSBOX_PACK}`, TSBOX_PACK_INDEX)
  ;(pack.load('start') as typeof import('./start.js')).start()
}
