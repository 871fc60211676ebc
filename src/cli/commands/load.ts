import { defineCommand, flag, text } from '../command.js'
import { withSpinner } from '../spinner.js'
import { UsageError } from '../usage-error.js'

export const command = defineCommand({
  synopsis: '[OPTIONS]',
  summary: 'Load images from an archive (docker or OCI) or an OCI layout folder',
  arguments: [0, 0],
  options: {
    input: text('Archive or folder to read (default standard input)', 'i'),
    quiet: flag("Don't show that it is working", 'q'),
  },
  refused: { platform: 'all that the archive holds for this machine is loaded' },
  async run(values, _, { engine, shell, resolve }) {
    const path = values.input
    if (path === undefined && shell.stdin.isTerminal) {
      throw new UsageError('cannot load: no --input is given and standard input is a terminal', {
        exitCode: 1,
        hint: 'name an archive with -i FILE, or redirect one',
      })
    }
    const opened = await engine()
    const work = () =>
      path === undefined ? opened.images.load('-', shell.stdin.stream()) : opened.images.load(resolve(path))
    const names = await (values.quiet ? work() : withSpinner(shell, `Loading ${path ?? 'standard input'}`, work))
    const line = (name: string) =>
      name.startsWith('sha256:') ? `Loaded image ID: ${name}\n` : `Loaded image: ${name}\n`
    shell.stdout.write(names.map(line).join(''))
    return undefined
  },
})
