/**
 * The file that `bin/tsbox` starts. It answers `--version` alone, because everything else costs milliseconds to load.
 */
import { writeSync } from 'node:fs'
import { loadBundle } from './load-bundle.js'
import { versionLine } from './version.js'

declare const TSBOX_MAIN: string

const first = process.argv[2]
if (process.argv.length === 3 && (first === '--version' || first === '-v')) writeSync(1, `${versionLine}\n`)
else (loadBundle(__dirname, TSBOX_MAIN) as typeof import('./start.js')).start()
