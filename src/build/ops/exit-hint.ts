import type { StepResult } from '../seams.js'

/** Signals that end a process, by number, with what most often sends them. @see signal(7) */
const SIGNALS: Readonly<Record<number, string>> = {
  1: 'SIGHUP',
  2: 'SIGINT',
  3: 'SIGQUIT',
  4: 'SIGILL: the program has an instruction that this processor lacks',
  5: 'SIGTRAP',
  6: 'SIGABRT: the program gave up of itself',
  7: 'SIGBUS: the program used memory that is not there, as of a file that became shorter',
  8: 'SIGFPE: the program divided by zero',
  9: 'SIGKILL',
  11: 'SIGSEGV: the program used memory that is not its own',
  13: 'SIGPIPE: the program wrote into a pipe that nobody reads',
  14: 'SIGALRM',
  15: 'SIGTERM',
  24: 'SIGXCPU: it used more processor time than its limit allows',
  25: 'SIGXFSZ: it wrote a larger file than its limit allows',
  31: 'SIGSYS: it made a system call that steps may not make',
}

/** The number that shells add to a signal's. @see sh(1), "EXIT STATUS" */
const BY_SIGNAL = 128

/**
 * What an exit status says beyond its number; undefined where it has no meaning that all programs share.
 *
 * @see POSIX.1-2017, Shell Command Language, 2.8.2
 */
export function exitHint({ exitCode, outOfMemory }: StepResult): string | undefined {
  const signal = SIGNALS[exitCode - BY_SIGNAL]
  if (signal === 'SIGKILL' && outOfMemory)
    return 'killed by SIGKILL: out of memory? The kernel ended a process for want of memory meanwhile; run fewer jobs at once, or give the machine more'
  if (outOfMemory)
    return 'the kernel ended a process for want of memory while the step ran: run fewer jobs at once, or give the machine more'
  if (signal === 'SIGKILL')
    return '137 says killed by SIGKILL: by hand, by a limit, or for want of memory (the kernel log tells: dmesg)'
  if (signal !== undefined) return `${exitCode} says ended by ${signal}`
  if (exitCode === 127)
    return '127 says that a command was not found: install it in an earlier step, or mend PATH; of a script, see which program its "#!" line names'
  if (exitCode === 126)
    return "126 says that a program was found but can't be executed: is it executable (chmod +x), and made for this machine?"
  return undefined
}
