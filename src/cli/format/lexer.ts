import { TemplateError } from './error.js'

/** Kinds of tokens of a Go template. `field` is `.Name`, `dot` a lone `.`, `char` an operator or bracket. */
export type TokenKind =
  | 'text'
  | 'open'
  | 'close'
  | 'field'
  | 'dot'
  | 'variable'
  | 'identifier'
  | 'number'
  | 'string'
  | 'char'
  | 'eof'

export interface Token {
  kind: TokenKind
  /** What it stands for: the unquoted string, the field's name without its dot, the variable with its `$`. */
  value: string
  /** Where it starts in the template's text, in UTF-16 units. */
  at: number
  /** As written. */
  raw: string
  /** True when white space stands before it inside an action. */
  spaced: boolean
}

const NAME = /[\p{L}\p{Nd}_]+/uy
const NUMBER = /[+-]?(?:0[xX][\da-fA-F_]+|0[bB][01_]+|0[oO][0-7_]+|(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)/y
const CHAR_CONSTANT = /'(?:[^'\\\n]|\\.)+'/y

/**
 * Splits a Go template into tokens, with trim markers applied and comments dropped.
 *
 * @throws {TemplateError} for an unclosed action, comment or string
 * @see Go text/template, "Text and spaces"
 */
export function lex(text: string): Token[] {
  const tokens: Token[] = []
  let at = 0
  let trimNext = false
  const pushText = (from: number, to: number, trimEnd: boolean) => {
    let value = text.slice(from, to)
    if (trimNext) value = value.replace(/^[ \t\r\n]+/, '')
    if (trimEnd) value = value.replace(/[ \t\r\n]+$/, '')
    if (value) tokens.push({ kind: 'text', value, at: from, raw: value, spaced: false })
    trimNext = false
  }
  while (at < text.length) {
    const open = text.indexOf('{{', at)
    if (open < 0) {
      pushText(at, text.length, false)
      break
    }
    const trimBefore = /^-[ \t\r\n]/.test(text.slice(open + 2, open + 4))
    pushText(at, open, trimBefore)
    const inside = open + (trimBefore ? 3 : 2)
    const comment = /[ \t\r\n]*\/\*/y
    comment.lastIndex = inside
    const end = comment.test(text) ? skipComment(text, open, comment.lastIndex) : lexAction(text, open, inside, tokens)
    at = end.at
    trimNext = end.trim
  }
  tokens.push({ kind: 'eof', value: '', at: text.length, raw: '', spaced: false })
  return tokens
}

interface ActionEnd {
  at: number
  trim: boolean
}

function skipComment(text: string, open: number, from: number): ActionEnd {
  const close = text.indexOf('*/', from)
  if (close < 0) throw new TemplateError(text, open, 'unclosed comment')
  const end = /([ \t\r\n]-)?\}\}/y
  end.lastIndex = close + 2
  const m = end.exec(text)
  if (!m) throw new TemplateError(text, open, 'comment ends before closing delimiter')
  return { at: end.lastIndex, trim: m[1] !== undefined }
}

function lexAction(text: string, open: number, from: number, tokens: Token[]): ActionEnd {
  tokens.push({ kind: 'open', value: '{{', at: open, raw: '{{', spaced: false })
  let at = from
  for (;;) {
    const start = at
    while (at < text.length && ' \t\r\n'.includes(text[at]!)) at++
    const close = text.startsWith('}}', at) ? '}}' : at > start && text.startsWith('-}}', at) ? '-}}' : undefined
    if (close) {
      tokens.push({ kind: 'close', value: '}}', at, raw: close, spaced: false })
      return { at: at + close.length, trim: close.length > 2 }
    }
    if (at >= text.length) throw new TemplateError(text, open, 'unclosed action')
    const token = lexToken(text, at, at > start)
    tokens.push(token)
    at += token.raw.length
  }
}

function lexToken(text: string, at: number, spaced: boolean): Token {
  const token = (kind: TokenKind, raw: string, value = raw): Token => ({ kind, value, at, raw, spaced })
  const c = text[at]!
  if (c === '"') return lexQuoted(text, at, spaced)
  if (c === '`') {
    const close = text.indexOf('`', at + 1)
    if (close < 0) throw new TemplateError(text, at, 'unterminated raw quoted string')
    return token('string', text.slice(at, close + 1), text.slice(at + 1, close))
  }
  if (c === "'") {
    const raw = match(CHAR_CONSTANT, text, at)
    if (raw === undefined) throw new TemplateError(text, at, 'unterminated character constant')
    return token('number', raw, String(unquote(raw.slice(1, -1)).codePointAt(0)))
  }
  if (c === '$') return token('variable', `$${match(NAME, text, at + 1) ?? ''}`)
  if (c === '.' && !/\d/.test(text[at + 1] ?? '')) {
    const name = match(NAME, text, at + 1)
    return name === undefined ? token('dot', '.') : token('field', `.${name}`, name)
  }
  const number = match(NUMBER, text, at)
  if (number !== undefined) return token('number', number, number.replaceAll('_', ''))
  const name = match(NAME, text, at)
  if (name !== undefined) return token('identifier', name)
  if (text.startsWith(':=', at)) return token('char', ':=')
  if ('|(),='.includes(c)) return token('char', c)
  throw new TemplateError(text, at, `unexpected ${JSON.stringify(c)} in action`)
}

function lexQuoted(text: string, at: number, spaced: boolean): Token {
  const m = /"(?:[^"\\\n]|\\.)*"/y
  m.lastIndex = at
  const raw = m.exec(text)?.[0]
  if (raw === undefined) throw new TemplateError(text, at, 'unterminated quoted string')
  return { kind: 'string', value: unquote(raw.slice(1, -1)), at, raw, spaced }
}

function match(pattern: RegExp, text: string, at: number): string | undefined {
  pattern.lastIndex = at
  return pattern.exec(text)?.[0]
}

const ESCAPES: Record<string, string> = { n: '\n', t: '\t', r: '\r', a: '\x07', b: '\b', f: '\f', v: '\v' }

function unquote(body: string): string {
  return body.replace(
    /\\(?:x([\da-fA-F]{2})|u([\da-fA-F]{4})|U([\da-fA-F]{8})|([0-7]{3})|(.))/gs,
    (_, x?: string, u?: string, long?: string, octal?: string, c?: string) => {
      if (c !== undefined) return ESCAPES[c] ?? c
      return String.fromCodePoint(
        octal === undefined ? Number.parseInt((x ?? u ?? long)!, 16) : Number.parseInt(octal, 8),
      )
    },
  )
}
