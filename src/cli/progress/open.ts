import { TsboxError } from '../../base/error.js'
import type { ProgressEvent, ProgressSink } from '../../build/progress/event.js'
import type { Shell } from '../shell.js'
import { endingText, explanations, failures } from './ending.js'
import type { Trace } from './trace.js'

export type ProgressMode = 'plain' | 'tty' | 'rawjson' | 'quiet'

/** A renderer at work. `end` prints what is left and must be called once. */
export interface Progress {
  sink: ProgressSink
  end(): void
}

const FLUSH_MS = 100
/** Narrower terminals get plain progress. */
const MIN_COLUMNS = 40

/**
 * Chooses how progress is shown: the option, else BUILDKIT_PROGRESS, else by the terminal. A drawing needs a terminal
 * that is wide enough; without one it is plain.
 */
export function progressMode(given: string | undefined, quiet: boolean, shell: Shell): ProgressMode {
  const wanted = quiet ? 'quiet' : (given ?? (shell.env.BUILDKIT_PROGRESS || 'auto'))
  if (wanted === 'plain' || wanted === 'rawjson' || wanted === 'quiet') return wanted
  if (wanted !== 'auto' && wanted !== 'tty') {
    throw new TsboxError('E_PROGRESS', `cannot show progress: BUILDKIT_PROGRESS is "${wanted}"`, {
      hint: 'set it to auto, plain, tty, rawjson or quiet',
    })
  }
  const drawable = shell.stderr.isTerminal && shell.env.TERM !== 'dumb' && shell.stderr.columns() >= MIN_COLUMNS
  return drawable ? 'tty' : 'plain'
}

/** Starts showing a build on stderr. @param debug explain warnings */
export async function openProgress(mode: ProgressMode, shell: Shell, debug: boolean): Promise<Progress> {
  const write = (text: string) => shell.stderr.write(text)
  if (mode === 'rawjson') {
    const { RawJsonPrinter } = await import('./rawjson.js')
    const printer = new RawJsonPrinter(write)
    return { sink: (event) => printer.update(event), end: () => undefined }
  }
  if (mode === 'quiet') {
    const { Trace } = await import('./trace.js')
    const trace = new Trace()
    return { sink: (event) => void trace.update(event), end: () => write(failures(trace) + explanations(trace)) }
  }
  return mode === 'tty' ? await openTty(shell, debug) : await openPlain(shell, debug)
}

async function openPlain(shell: Shell, debug: boolean): Promise<Progress> {
  const { PlainPrinter } = await import('./plain.js')
  const printer = new PlainPrinter((text) => shell.stderr.write(text))
  let timer: NodeJS.Timeout | undefined
  const flush = () => {
    timer = undefined
    printer.flush(shell.now())
  }
  return {
    sink(event) {
      printer.update(event)
      timer ??= setTimeout(flush, FLUSH_MS)
    },
    end() {
      clearTimeout(timer)
      printer.flush(shell.now())
      finish(shell, printer.trace, debug)
    },
  }
}

async function openTty(shell: Shell, debug: boolean): Promise<Progress> {
  const [{ TtyPrinter }, { Chalk }] = await Promise.all([import('./tty.js'), import('chalk')])
  const colour = new Chalk({ level: shell.env.NO_COLOR ? 0 : 1 })
  const size = () => ({ columns: shell.stderr.columns(), rows: shell.stderr.rows() })
  const printer = new TtyPrinter((text) => shell.stderr.write(text), size, colour)
  const timer = setInterval(() => printer.draw(shell.now(), false), FLUSH_MS)
  return {
    sink: (event: ProgressEvent) => printer.update(event),
    end() {
      clearInterval(timer)
      printer.draw(shell.now(), true)
      finish(shell, printer.trace, debug, colour.yellow)
    },
  }
}

function finish(shell: Shell, trace: Trace, debug: boolean, paint?: (text: string) => string): void {
  const text = endingText(trace, debug, paint)
  if (text) shell.stderr.write(text)
}
