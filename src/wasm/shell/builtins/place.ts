import { cleanPath } from '../../../base/path.js'
import { VfsError } from '../../vfs/error.js'
import type { Builtin } from '../command.js'
import { ShellError } from '../error.js'
import { parseMode } from '../mode.js'

const cd: Builtin = (args, { state, out }) => {
  const physical = args.includes('-P')
  const [path] = args.filter((a) => !/^-[LP]$/.test(a) && a !== '--')
  const back = path === '-'
  const target = path === undefined ? state.get('HOME') : back ? state.get('OLDPWD') : path
  if (target === undefined) throw new ShellError(`cd: ${back ? 'OLDPWD' : 'HOME'} not set`, 2)
  const before = state.files.cwd
  let show = back
  const goTo = (to: string) => state.files.chdir(to === '' ? '.' : to, !physical)
  try {
    const through = path !== undefined && !/^\.{0,2}(\/|$)/.test(path) ? (state.get('CDPATH') ?? '').split(':') : []
    const found = through.find((dir) => dir !== '' && state.files.isDir(`${dir}/${path}`))
    if (found !== undefined) show = true
    goTo(found === undefined ? target : `${found}/${path}`)
  } catch (err) {
    if (err instanceof VfsError) throw new ShellError(`cd: can't cd to ${target}`, 2)
    throw err
  }
  state.set('OLDPWD', before)
  state.set('PWD', state.files.cwd)
  if (show) out.text(`${state.files.cwd}\n`)
  return 0
}

/** Builtins about where the shell is and what it makes. */
export const place: Readonly<Record<string, Builtin>> = {
  cd,
  pwd: (args, { state, out }) => {
    const { files } = state
    out.text(`${args.includes('-P') ? files.pathOf(files.dir) : cleanPath(files.cwd)}\n`)
    return 0
  },
  umask: (args, { state, out }) => {
    const { files } = state
    const text = args.find((a) => !a.startsWith('-'))
    if (text === undefined) {
      if (args.includes('-S')) {
        const bits = (shift: number) => [...'rwx'].map((c, i) => ((files.umask >> shift) & (4 >> i) ? '' : c)).join('')
        out.text(`u=${bits(6)},g=${bits(3)},o=${bits(0)}\n`)
      } else out.text(`${files.umask.toString(8).padStart(4, '0')}\n`)
      return 0
    }
    if (/^[0-7]+$/.test(text)) files.umask = Number.parseInt(text, 8) & 0o777
    else {
      const mode = parseMode(text, { mode: ~files.umask & 0o777, directory: false, umask: 0 })
      if (mode === undefined) throw new ShellError(`umask: Illegal mode: ${text}`, 2)
      files.umask = ~mode & 0o777
    }
    return 0
  },
  trap: (args, { state, out }) => {
    const words = args[0] === '--' ? args.slice(1) : args
    if (words.length === 0) {
      for (const [name, action] of state.traps) out.text(`trap -- '${action.replaceAll("'", `'"'"'`)}' ${name}\n`)
      return 0
    }
    const reset = words.length === 1 || words[0] === '-' || /^\d+$/.test(words[0]!)
    const [action, ...rest] = words as [string, ...string[]]
    for (const given of reset && action !== '-' ? words : rest) {
      const name = signalName(given)
      if (name === undefined) throw new ShellError(`trap: ${given}: bad trap`, 1)
      if (reset) state.traps.delete(name)
      else state.traps.set(name, action)
    }
    return 0
  },
}

const SIGNALS =
  'EXIT HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS'.split(
    ' ',
  )

function signalName(text: string): string | undefined {
  if (/^\d+$/.test(text)) return SIGNALS[Number(text)]
  const name = text.toUpperCase().replace(/^SIG/, '')
  return SIGNALS.includes(name) ? name : undefined
}
