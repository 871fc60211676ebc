import { fault } from './fault.js'

/**
 * Splits one line of comma-separated fields; a field in double quotes may hold commas, `""` in it is a quote.
 *
 * @throws TsboxError E_DOCKERFILE, the message starting with `action`
 * @see RFC 4180
 */
export function csvFields(text: string, action: string): string[] {
  if (text === '') throw fault(`${action}: EOF`, 'give at least one key=value')
  const fields: string[] = []
  for (let at = 0; ; ) {
    const { field, end } = text[at] === '"' ? quoted(text, at, action) : bare(text, at, action)
    fields.push(field)
    if (end >= text.length) return fields
    at = end + 1
  }
}

function bare(text: string, from: number, action: string): { field: string; end: number } {
  const comma = text.indexOf(',', from)
  const end = comma < 0 ? text.length : comma
  const field = text.slice(from, end)
  if (field.includes('"')) throw broken(action, from + field.indexOf('"'), 'bare " in non-quoted field')
  return { field, end }
}

function quoted(text: string, from: number, action: string): { field: string; end: number } {
  let field = ''
  for (let at = from + 1; at < text.length; at++) {
    if (text[at] !== '"') field += text[at]
    else if (text[at + 1] === '"') field += text[at++]
    else if (at + 1 === text.length || text[at + 1] === ',') return { field, end: at + 1 }
    else throw broken(action, at, 'extraneous or missing " in quoted-field')
  }
  throw broken(action, text.length, 'extraneous or missing " in quoted-field')
}

function broken(action: string, index: number, what: string): Error {
  return fault(`${action}: parse error on line 1, column ${index + 1}: ${what}`, 'quote a whole field, or nothing')
}
