import { TsboxError } from '../base/error.js'
import type { Shell } from './shell.js'

const [CTRL_C, CTRL_D, BACKSPACE, DELETE, CTRL_U] = ['\x03', '\x04', '\b', '\x7f', '\x15']

/**
 * Asks at the terminal. What is secret is not shown while it is typed.
 *
 * @returns the line, without its end
 * @throws TsboxError E_CANCELED for Ctrl-C, or Ctrl-D at its beginning
 */
export async function ask(shell: Shell, question: string, secret: boolean): Promise<string> {
  const { stdin } = process
  shell.stderr.write(question)
  stdin.setRawMode(true)
  stdin.setEncoding('utf8')
  let line = ''
  try {
    return await new Promise<string>((resolve, reject) => {
      const end = (settle: () => void) => {
        stdin.off('data', type)
        settle()
      }
      const type = (text: string) => {
        for (const key of text) {
          if (key === '\r' || key === '\n') return end(() => resolve(line))
          if (key === CTRL_C || (key === CTRL_D && line === ''))
            return end(() => reject(new TsboxError('E_CANCELED', 'log in: canceled', { exitCode: 130 })))
          const erased = key === BACKSPACE || key === DELETE ? 1 : key === CTRL_U ? line.length : 0
          if (erased > 0) {
            const shorter = [...line].slice(0, -erased).join('')
            if (!secret) shell.stderr.write('\b \b'.repeat([...line].length - [...shorter].length))
            line = shorter
          } else if (key >= ' ') {
            line += key
            if (!secret) shell.stderr.write(key)
          }
        }
      }
      stdin.on('data', type)
      stdin.resume()
    })
  } finally {
    stdin.setRawMode(false)
    stdin.pause()
    shell.stderr.write('\n')
  }
}
