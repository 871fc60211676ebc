/** Puts a text between the sequences of a colour, or leaves it. */
export type Paint = (text: string) => string

/** Colours of progress, by what a line tells. */
export interface Colours {
  /** Steps that are done. */
  run: Paint
  cancel: Paint
  error: Paint
  warning: Paint
  /** Output of steps. */
  faint: Paint
}

const NAMES = ['black', 'red', 'green', 'yellow', 'blue', 'magenta', 'cyan', 'white']
const plain: Paint = (text) => text

/** Select Graphic Rendition. @see ECMA-48, 8.3.117 */
function sgr(on: string, off: string): Paint {
  return (text) => `\x1b[${on}m${text}\x1b[${off}m`
}

/**
 * The colours that the environment asks for: none with NO_COLOR, else BuildKit's, changed by BUILDKIT_COLORS, as in
 * `run=green:error=200,30,30`.
 *
 * @returns also the entries of BUILDKIT_COLORS that mean nothing
 * @see https://no-color.org; buildkit/util/progress/progressui/colors.go
 */
export function progressColours(env: Readonly<Record<string, string | undefined>>): {
  colours: Colours
  unknown: string[]
} {
  const unknown: string[] = []
  if (env.NO_COLOR) {
    return { colours: { run: plain, cancel: plain, error: plain, warning: plain, faint: plain }, unknown }
  }
  const yellow = named('yellow')!
  const colours: Colours = {
    run: named('blue')!,
    cancel: yellow,
    error: named('red')!,
    warning: yellow,
    faint: sgr('2', '22'),
  }
  for (const entry of (env.BUILDKIT_COLORS ?? '').split(':').filter(Boolean)) {
    const [key, value, ...more] = entry.toLowerCase().split('=')
    const paint = value === undefined || more.length ? undefined : (named(value) ?? rgb(value))
    if (paint && isKey(key)) colours[key] = paint
    else unknown.push(entry)
  }
  return { colours, unknown }
}

function isKey(key: string | undefined): key is 'run' | 'cancel' | 'error' | 'warning' {
  return key === 'run' || key === 'cancel' || key === 'error' || key === 'warning'
}

function named(name: string): Paint | undefined {
  if (name === 'default') return sgr('39', '39')
  const light = name.startsWith('light-')
  const at = NAMES.indexOf(light ? name.slice('light-'.length) : name)
  return at < 0 ? undefined : sgr(String((light ? 90 : 30) + at), '39')
}

/** `R,G,B`, each up to 255, as the nearest of the 256 colours that every terminal of today has. */
function rgb(text: string): Paint | undefined {
  if (!/^\s*\d{1,3}\s*(,\s*\d{1,3}\s*){2}$/.test(text)) return undefined
  const parts = text.split(',').map(Number)
  if (parts.some((part) => part > 255)) return undefined
  const [r, g, b] = parts.map((part) => Math.round((part / 255) * 5)) as [number, number, number]
  return sgr(`38;5;${16 + 36 * r + 6 * g + b}`, '39')
}
