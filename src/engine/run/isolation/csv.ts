/**
 * Splits a line as docker's `--mount` does: fields with commas or quotes in them stand in quotes, a quote in one is
 * doubled.
 *
 * @returns undefined where a quote is not closed or stands elsewhere
 * @see RFC 4180
 */
export function csvFields(text: string): string[] | undefined {
  const out: string[] = []
  const field = /(?:"((?:[^"]|"")*)"|([^",]*))(,|$)/y
  for (;;) {
    const match = field.exec(text)
    if (!match) return undefined
    out.push(match[1] === undefined ? match[2]! : match[1].replaceAll('""', '"'))
    if (match[3] === '') return out
  }
}
