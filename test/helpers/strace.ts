import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Cli } from './cli.js'
import { runProgram } from './programs.js'

/** What a command and all processes below it did with files. */
export interface FileCalls {
  /** Names of the system calls that were given a path, by absolute path; failed ones count too. */
  byPath: Map<string, string[]>
  /** Bytes read, by the file they came from. */
  readBytes: Map<string, number>
  /** Programs that were started. */
  programs: string[]
}

/** Runs tsbox under strace; it must succeed. */
export function traceTsbox(cli: Cli, tsbox: string, args: readonly string[]): FileCalls {
  const log = join(cli.dir, `strace-${Date.now()}`)
  const calls = '%file,read,pread64,readv,preadv,preadv2,mmap,copy_file_range,sendfile'
  const options = ['-f', '-y', '-s', '4096', '-e', `trace=${calls}`, '-e', 'read=none', '-o', log]
  runProgram('strace', [...options, tsbox, ...args], { cwd: cli.dir, env: cli.env })
  return readCalls(readFileSync(log, 'latin1'))
}

function readCalls(text: string): FileCalls {
  const out: FileCalls = { byPath: new Map(), readBytes: new Map(), programs: [] }
  for (const line of joinResumed(text)) {
    const [, name = '', rest = ''] = /^\d+ +(\w+)\((.*)$/s.exec(line) ?? []
    const result = Number(/ = (-?\d+)[^=]*$/.exec(line)?.[1] ?? -1)
    if (/^(p?readv?2?|pread64|copy_file_range|sendfile|mmap)$/.test(name)) {
      const path = /^[^"]*?\d+<([^>]*)>/.exec(rest)?.[1]
      const count = name === 'mmap' ? 1 : result
      if (path !== undefined && count > 0) out.readBytes.set(path, (out.readBytes.get(path) ?? 0) + count)
      continue
    }
    const path = /"((?:[^"\\]|\\.)*)"/.exec(rest)?.[1]
    if (path === undefined) continue
    if (name === 'execve' && result === 0) out.programs.push(path)
    const dir = /^[^"]*?<([^>]*)>, "/.exec(rest)?.[1] ?? ''
    const full = path.startsWith('/') ? path : `${dir}/${path}`
    out.byPath.set(full, [...(out.byPath.get(full) ?? []), name])
  }
  return out
}

/** strace splits a call that another thread's overtakes. */
function joinResumed(text: string): string[] {
  const begun = new Map<string, string>()
  const out: string[] = []
  for (const line of text.split('\n')) {
    const pid = /^\d+/.exec(line)?.[0] ?? ''
    const unfinished = line.indexOf(' <unfinished ...>')
    const resumed = /^\d+ +<\.\.\. \w+ resumed>/.exec(line)
    if (unfinished >= 0) begun.set(pid, line.slice(0, unfinished))
    else if (resumed) out.push((begun.get(pid) ?? '') + line.slice(resumed[0].length))
    else out.push(line)
  }
  return out
}
