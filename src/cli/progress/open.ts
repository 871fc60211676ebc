import { TsboxError } from '../../base/error.js'
import type { ProgressEvent, ProgressSink } from '../../build/progress/event.js'
import type { Shell } from '../shell.js'
import { endingText, explanations, failures } from './ending.js'
import type { Trace } from './trace.js'

export type ProgressMode = 'plain' | 'tty' | 'rawjson' | 'quiet'

/** A renderer at work. `end` prints what is left and must be called once. */
export interface Progress {
  sink: ProgressSink
  /** Prints what there is, with what failed, and leaves the terminal to others; what comes later waits for `end`. */
  suspend(): void
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
    return { sink: (event) => printer.update(event), suspend: () => undefined, end: () => undefined }
  }
  if (mode === 'quiet') {
    const { Trace } = await import('./trace.js')
    const trace = new Trace()
    const tell = () => write(failures(trace))
    return {
      sink: (event) => trace.keep(event),
      suspend: tell,
      end: () => write(failures(trace) + explanations(trace)),
    }
  }
  return mode === 'tty' ? await openTty(shell, debug) : await openPlain(shell, debug)
}

async function openPlain(shell: Shell, debug: boolean): Promise<Progress> {
  const { PlainPrinter } = await import('./plain.js')
  const printer = new PlainPrinter((text) => shell.stderr.write(text))
  let timer: NodeJS.Timeout | undefined
  let suspended = false
  const flush = () => {
    timer = undefined
    printer.flush(shell.now())
  }
  const stop = () => {
    clearTimeout(timer)
    flush()
  }
  return {
    sink(event) {
      printer.update(event)
      if (!suspended) timer ??= setTimeout(flush, FLUSH_MS)
    },
    suspend() {
      suspended = true
      stop()
      shell.stderr.write(failures(printer.trace))
    },
    end() {
      stop()
      finish(shell, printer.trace, debug)
    },
  }
}

async function openTty(shell: Shell, debug: boolean): Promise<Progress> {
  const [{ TtyPrinter }, { progressColours }] = await Promise.all([import('./tty.js'), import('./colours.js')])
  const { colours, unknown } = progressColours(shell.env)
  for (const entry of unknown) shell.stderr.write(`warning: BUILDKIT_COLORS: not understood: "${entry}"\n`)
  const size = () => ({ columns: shell.stderr.columns(), rows: shell.stderr.rows() })
  const logLines = wholeNumber(shell.env.BUILDKIT_TTY_LOG_LINES)
  const printer = new TtyPrinter((text) => shell.stderr.write(text), { size, colours, logLines })
  let timer: NodeJS.Timeout | undefined = setInterval(() => printer.draw(shell.now(), false), FLUSH_MS)
  const stop = () => {
    if (!timer) return
    clearInterval(timer)
    timer = undefined
    printer.draw(shell.now(), true)
  }
  return {
    sink: (event: ProgressEvent) => printer.update(event),
    suspend() {
      stop()
      shell.stderr.write(failures(printer.trace))
    },
    end() {
      stop()
      finish(shell, printer.trace, debug, colours.warning)
    },
  }
}

function wholeNumber(text: string | undefined): number | undefined {
  return text !== undefined && /^[1-9]\d{0,3}$/.test(text) ? Number(text) : undefined
}

function finish(shell: Shell, trace: Trace, debug: boolean, paint?: (text: string) => string): void {
  const text = endingText(trace, debug, paint)
  if (text) shell.stderr.write(text)
}
