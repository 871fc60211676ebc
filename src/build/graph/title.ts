import { redactUrl } from '../../base/url.js'
import { heredocMark } from '../dockerfile/heredoc.js'
import type { StageInstruction } from '../dockerfile/instruction.js'
import { type ExpandOptions, expandWord, type Lookup } from '../dockerfile/shell-lex.js'

/**
 * What progress shows of an instruction, as BuildKit does: the line as written, its flags too, the keyword in capitals,
 * variables replaced by what they are now; of a RUN quotes and unset variables stay, and a here-document shows its first
 * line. Passwords in URLs are hidden.
 */
export function titleOf(i: StageInstruction, env: Lookup, options: Pick<ExpandOptions, 'escape'>): string {
  const written = i.original + (i.type === 'run' ? heredocSummary(i) : '')
  const keep = i.type === 'run' ? { rawQuotes: true, keepUnset: true } : {}
  const shown = expanded(written, env, { ...options, ...keep })
    .replace(/^\S+/, (keyword) => keyword.toUpperCase())
    .replace(/[a-z][a-z0-9+.-]*:\/\/\S+/gi, redactUrl)
    .replace(/[\r\n]+/g, ' ')
  return i.onbuild ? `ONBUILD ${shown}` : shown
}

/** A shell's own syntax may be none of a Dockerfile's words: it is shown as it is. */
function expanded(text: string, env: Lookup, options: ExpandOptions): string {
  try {
    return expandWord(text, env, options)
  } catch {
    return text
  }
}

function heredocSummary({ command, heredocs }: Extract<StageInstruction, { type: 'run' }>): string {
  const first = heredocs[0]
  if (!first || command.json || !heredocMark(command.text)) return ''
  const lines = first.content.trim().split(/\r?\n/)
  return ` (${lines[0]}${lines.length > 1 ? '...' : ''})`
}
