import { isCanceled, type Trace } from './trace.js'

/**
 * What BuildKit prints below the progress: the last output of each failed step, then warnings.
 *
 * @param debug with the address that explains each warning
 */
export function endingText(trace: Trace, debug: boolean): string {
  return failures(trace) + warnings(trace, debug)
}

/** The last lines of each failed step under its name. */
export function failures(trace: Trace): string {
  let out = ''
  for (const v of trace.vertices.values()) {
    if (v.error === undefined || isCanceled(v)) continue
    out += `------\n > ${v.name}:\n${v.tail.map((l) => `${l}\n`).join('')}------\n`
  }
  return out
}

function warnings(trace: Trace, debug: boolean): string {
  const all = [...trace.vertices.values()].flatMap((v) => v.warnings)
  if (!all.length) return ''
  const heading = `${all.length} warning${all.length === 1 ? '' : 's'} found`
  const lines = all.map((w) => {
    const line = w.line > 0 ? ` (line ${w.line})` : ''
    return ` - ${w.rule}: ${w.message}${line}\n${debug && w.url ? `   ${w.url}\n` : ''}`
  })
  return `\n ${heading}${debug ? ':' : ' (use --debug to expand):'}\n${lines.join('')}`
}
