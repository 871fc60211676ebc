import type { Random } from './random.js'

const PIECES = [
  ...['\\', '`', '"', "'", '$', '${', '}', '<<EOF', '<<-', '--', '#', '[', ']', '\n', '\r\n', ' ', '\t', '=', ','],
  ...['\\\n', 'FROM x', 'ONBUILD ', 'RUN ', 'COPY <<a /b\n', 'EOF\n', '# escape=`\n', '\ufeff', '\u0000', '\u2028'],
  ...['😀', '--mount=', '${a:-', '[^', '**', ':', '@', '0', 'ARG A=', '\ud800'],
]

/** A text with one to three changes that a slip of the hand could make. */
export function mutate(text: string, rng: Random): string {
  let out = text
  for (let i = rng.below(3); i >= 0; i--) out = mutateOnce(out, rng)
  return out
}

function mutateOnce(text: string, rng: Random): string {
  const at = rng.below(text.length + 1)
  const lines = text.split('\n')
  const line = rng.below(lines.length)
  switch (rng.below(8)) {
    case 0:
      return text.slice(0, at) + text.slice(at + 1 + rng.below(4))
    case 1:
    case 2:
      return text.slice(0, at) + rng.pick(PIECES) + text.slice(at)
    case 3:
      return lines.toSpliced(line, 1).join('\n')
    case 4:
      return lines.toSpliced(line, 0, lines[rng.below(lines.length)]!).join('\n')
    case 5:
      return text.slice(0, at)
    case 6:
      return lines.with(line, lines[line]!.toUpperCase()).join('\n')
    default:
      return lines.with(line, `${lines[line]}${rng.pick(PIECES)}`).join('\n')
  }
}
