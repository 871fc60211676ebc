import { Chalk } from 'chalk'
import type { ExploredImage } from '../../engine/api.js'
import type { Shell } from '../shell.js'
import { type Paint, pageLines, render } from './render.js'
import { openState, pressed, splitKeys } from './state.js'

const ALTERNATE_SCREEN = '\x1b[?1049h\x1b[?25l'
const BACK = '\x1b[?25h\x1b[?1049l'

/** Shows an image on the terminal until the reader leaves; the terminal is then as it was. */
export async function exploreInTerminal(image: ExploredImage, shell: Shell): Promise<void> {
  const { stdin, stdout } = process
  let state = openState(image)
  const paint = paintFor(shell.env)
  const draw = () => {
    const [columns, rows] = [shell.stdout.columns(), shell.stdout.rows()]
    const lines = render(state, columns, rows, paint)
    shell.stdout.write(`\x1b[H${lines.map((line) => `${line}\x1b[K`).join('\r\n')}\x1b[J`)
  }
  let leave = () => {}
  const left = new Promise<void>((resolve) => {
    leave = resolve
  })
  const onKeys = (data: Buffer) => {
    for (const key of splitKeys(data.toString())) state = pressed(state, key, pageLines(shell.stdout.rows()))
    if (state.done) leave()
    else draw()
  }
  const release = shell.onInterrupt(() => leave())
  stdin.setRawMode(true)
  shell.stdout.write(ALTERNATE_SCREEN)
  stdin.on('data', onKeys)
  stdin.on('end', leave)
  stdout.on('resize', draw)
  try {
    draw()
    await left
  } finally {
    release()
    stdout.off('resize', draw)
    stdin.off('data', onKeys)
    stdin.pause()
    stdin.setRawMode(false)
    shell.stdout.write(BACK)
  }
}

function paintFor(env: Shell['env']): Paint {
  const chalk = new Chalk({ level: env.NO_COLOR ? 0 : 1 })
  return {
    added: (t) => chalk.green(t),
    changed: (t) => chalk.yellow(t),
    removed: (t) => chalk.red(t),
    dim: (t) => chalk.dim(t),
    // Without colours the cursor must be seen all the same.
    cursor: (t) => `\x1b[7m${t}\x1b[27m`,
    heading: (t) => chalk.bold(t),
  }
}
