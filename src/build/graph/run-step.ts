import { TsboxError } from '../../base/error.js'
import { cleanPath, joinPath } from '../../base/path.js'
import type { Heredoc } from '../dockerfile/ast.js'
import { chompHeredoc, heredocMark } from '../dockerfile/heredoc.js'
import type { CommandForm, RunInstruction } from '../dockerfile/instruction.js'
import type { Mount } from '../dockerfile/mount.js'
import type { StageState } from './stage-state.js'
import type { RunMount, RunOp, Vertex } from './vertex.js'

/** A command as the process's arguments: the shell form goes to the stage's shell. */
export function commandArgs(command: CommandForm, shell: readonly string[]): string[] {
  return command.json ? [...command.args] : [...shell, command.text]
}

/** What a RUN executes: its arguments, and the file that holds a here-document with a `#!` line. */
export function runCommand(
  instruction: RunInstruction,
  shell: readonly string[],
): { args: string[]; script?: RunMount; shell: boolean } {
  const { command, heredocs } = instruction
  if (command.json || heredocs.length === 0) return { args: commandArgs(command, shell), shell: !command.json }
  const first = heredocs[0]!
  if (heredocMark(command.text)) {
    const text = first.chomp ? chompHeredoc(first.content) : first.content
    if (!text.startsWith('#!')) return { args: [...shell, text], shell: true }
    const target = `/dev/pipes/${first.name}`
    return { args: [target], script: { type: 'file', target, content: text }, shell: true }
  }
  return { args: [...shell, [command.text, ...heredocs.map(asWritten)].join('\n')], shell: true }
}

// The shell reads a here-document itself where it is only a part of the command line.
function asWritten(h: Heredoc): string {
  return h.content + h.name
}

/**
 * Turns the mounts of a RUN into mounts of the vertex; sources become inputs.
 *
 * @param inputOf gives the index of the input that a mount takes its files from
 */
export function planMounts(mounts: readonly Mount[], state: StageState, inputOf: (mount: Mount) => number): RunMount[] {
  const workdir = state.config.WorkingDir || '/'
  let agents = 0
  const agentTarget = () => `/run/buildkit/ssh_agent.${agents++}`
  return mounts.map((m) => planMount(m, workdir, inputOf, agentTarget))
}

/** @param agentTarget BuildKit's place for the next agent of a step */
function planMount(m: Mount, workdir: string, inputOf: (mount: Mount) => number, agentTarget: () => string): RunMount {
  const target = m.target === '' ? '' : absolute(m.target, workdir)
  switch (m.type) {
    case 'bind':
      return {
        type: 'bind',
        target: checkedTarget(target),
        input: inputOf(m),
        path: cleanPath(`/${m.source}`),
        readonly: m.readOnly,
      }
    case 'cache':
      return {
        type: 'cache',
        target: checkedTarget(target),
        id: m.id || cleanPath(target),
        sharing: m.sharing,
        readonly: m.readOnly,
        mode: m.mode ?? 0o755,
        uid: m.uid ?? 0,
        gid: m.gid ?? 0,
        path: cleanPath(`/${m.source}`),
        ...(m.from === '' ? {} : { input: inputOf(m) }),
      }
    case 'tmpfs':
      return { type: 'tmpfs', target: checkedTarget(target), ...(m.sizeBytes ? { sizeBytes: m.sizeBytes } : {}) }
    case 'secret':
      return secretMount(m, target)
    case 'ssh':
      return {
        type: 'ssh',
        target: checkedTarget(target || agentTarget()),
        id: m.id || 'default',
        required: m.required,
        mode: m.mode ?? 0o600,
        uid: m.uid ?? 0,
        gid: m.gid ?? 0,
      }
  }
}

function secretMount(m: Mount, target: string): RunMount {
  const id = m.id || target.split('/').pop() || ''
  if (id === '') throw new TsboxError('E_DOCKERFILE', 'mount secret: neither id nor target is given')
  const file = target !== '' ? target : m.env === undefined ? `/run/secrets/${id.split('/').pop()}` : undefined
  return {
    type: 'secret',
    id,
    ...(file === undefined ? {} : { target: file }),
    ...(m.env === undefined ? {} : { env: m.env }),
    required: m.required,
    mode: m.mode ?? 0o400,
    uid: m.uid ?? 0,
    gid: m.gid ?? 0,
  }
}

function absolute(path: string, workdir: string): string {
  return path.startsWith('/') ? cleanPath(path) : joinPath(workdir, path)
}

function checkedTarget(target: string): string {
  if (target === '' || target === '/')
    throw new TsboxError('E_DOCKERFILE', `mount: the target can't be the root "${target}"`)
  return target
}

/** The operation of a RUN. */
export function runOp(fields: Omit<RunOp, 'kind' | 'env' | 'stageShell' | 'cwd' | 'user'>, state: StageState): RunOp {
  return {
    kind: 'run',
    ...fields,
    env: state.environment(),
    stageShell: state.shell,
    cwd: state.config.WorkingDir || '/',
    user: state.config.User ?? '',
  }
}

/** History line of a RUN: the ARGs that were declared, then the command. @see BuildKit runCommandString */
export function runHistory(state: StageState, args: readonly string[]): string {
  const declared = [...state.buildArgs].map(([k, v]) => `${k}=${state.env.get(k) ?? v ?? ''}`)
  return ['RUN', ...(declared.length ? [`|${declared.length}`, ...declared] : []), ...args].join(' ')
}

/** Names a vertex, as BuildKit does. */
export function vertexNamer(stage: string, total: number): (text: string) => string {
  let index = 0
  const width = 1 + Math.floor(Math.log10(Math.max(total, 1)))
  return (text) => `[${stage === '' ? '' : `${stage} `}${String(++index).padStart(width)}/${total}] ${text}`
}

export type { Vertex }
