import { type WarningEvent, warningLine } from '../../build/progress/event.js'
import { printable, printableLines } from '../printable.js'
import { sourceExcerpt } from '../report.js'
import { isCanceled, type Trace } from './trace.js'

/**
 * What BuildKit prints below the progress: the last output of each failed step, then warnings, then what --explain tells.
 *
 * @param debug say of each warning what it is about, where it is explained, and show the lines
 * @param paint colours the heading of the warnings
 */
export function endingText(trace: Trace, debug: boolean, paint: (text: string) => string = (text) => text): string {
  return failures(trace) + warnings(trace, debug, paint) + explanations(trace)
}

/** The last lines of each failed step under its name. */
export function failures(trace: Trace): string {
  let out = ''
  for (const v of trace.vertices.values()) {
    if (v.error === undefined || isCanceled(v)) continue
    out += `------\n > ${printableLines(v.name)}:\n${v.tail.map((l) => `${l}\n`).join('')}------\n`
  }
  return out
}

/** Why each step ran, where the build explains it. */
export function explanations(trace: Trace): string {
  const lines: string[] = []
  for (const { name, explanation } of trace.vertices.values()) {
    if (!explanation) continue
    const { outcome, executor, reasons } = explanation
    const verb = outcome === 'unneeded' ? 'not needed' : outcome
    lines.push(` ${printable(name)}`, `   ${verb}${executor ? ` in ${executor}` : ''}: ${printable(reasons[0] ?? '')}`)
    for (const reason of reasons.slice(1)) lines.push(`     and ${printable(reason)}`)
  }
  return lines.length ? `\nWhy each step ran:\n${lines.join('\n')}\n` : ''
}

function warnings(trace: Trace, debug: boolean, paint: (text: string) => string): string {
  const all = [...trace.vertices.values()].flatMap((v) => v.warnings)
  if (!all.length) return ''
  const heading = `${all.length} warning${all.length === 1 ? '' : 's'} found`
  const lines = all.map((w) => ` - ${printableLines(warningLine(w))}\n${debug ? expanded(w) : ''}`)
  return `\n ${paint(`${heading}${debug ? ':' : ' (use --debug to expand):'}`)}\n${lines.join('')}`
}

function expanded({ description, url, line, endLine, source }: WarningEvent): string {
  const more = url ? `More info: ${url}\n` : ''
  const excerpt = line > 0 ? sourceExcerpt({ ...source, line, endLine }) : ''
  return printableLines(`${description}\n${more}${excerpt}\n`)
}
