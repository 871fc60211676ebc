import { main } from './main.js'
import { processShell } from './process-shell.js'

export { main, processShell }

/** Runs the command line of this process and ends it; whatever was to be written is written by then. */
export function start(): void {
  void main(process.argv.slice(2), processShell()).then((status) => process.exit(status))
}
