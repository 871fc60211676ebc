/**
 * One line that a terminal shows as it is: what moves the cursor, changes colours or the direction of writing is shown as
 * an escape, as are names that are not UTF-8.
 */
export function printable(text: string): string {
  return text.replace(/[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]|\p{Cs}/gu, (c) => {
    if (c === '\n') return '\\n'
    if (c === '\t') return '\\t'
    const code = c.charCodeAt(0)
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16).padStart(4, '0')}`
  })
}

/**
 * Text of several lines whose parts may come from an image, a file or a server: ends of lines and tabs stay, nothing else
 * of it moves a terminal's cursor, changes its colours or answers in its name.
 */
export function printableLines(text: string): string {
  return text
    .split('\n')
    .map((line) => line.split('\t').map(printable).join('\t'))
    .join('\n')
}

/** JSON that a terminal shows as it is: escapes of JSON for what is a control character beyond its own rules. */
export function terminalJson(json: string): string {
  return json.replace(/[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g, (c) => {
    return `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
}
