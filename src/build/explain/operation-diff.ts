import { canonicalJson } from '../../base/hash.js'
import { soundsSecret } from '../dockerfile/checks/secrets.js'
import type { StepRecord } from './record.js'

/** Characters of a value that a sentence shows. */
const SHOWN = 60
/** Characters before the first difference. */
const LEAD = 20

const NAMES: Readonly<Record<string, string>> = {
  cwd: 'working directory',
  user: 'user',
  network: 'network',
  shell: 'form (shell or exec)',
  mounts: 'mounts',
  extraHosts: 'added hosts',
  sources: 'sources',
  dest: 'destination',
  chown: '--chown',
  chmod: '--chmod',
  exclude: '--exclude',
  parents: '--parents',
  link: '--link',
  unpack: 'unpacking',
  path: 'path',
}

/**
 * What two operations of one kind differ in, in words.
 *
 * @param argNames variables that are ARGs
 */
export function operationChanges(now: StepRecord, before: StepRecord, argNames: readonly string[]): string[] {
  const out: string[] = []
  const [a, b] = [before.op, now.op]
  if (canonicalJson(a.args) !== canonicalJson(b.args)) out.push(`its command changed: ${change(textOf(a), textOf(b))}`)
  out.push(...variableChanges(linesOf(a.env), linesOf(b.env), { argNames, command: textOf(b) }))
  for (const field of new Set([...Object.keys(a), ...Object.keys(b)])) {
    if (field === 'args' || field === 'env' || canonicalJson(a[field]) === canonicalJson(b[field])) continue
    out.push(`its ${NAMES[field] ?? field} changed: ${change(shown(a[field]), shown(b[field]))}`)
  }
  return out
}

/** `old → new`, cut around where they begin to differ. */
export function change(before: string, now: string): string {
  let same = 0
  while (same < before.length && same < now.length && before[same] === now[same]) same++
  const from = Math.max(0, same - LEAD)
  const fits = before.length <= SHOWN && now.length <= SHOWN
  return `${cut(before, fits ? 0 : from)} → ${cut(now, fits ? 0 : from)}`
}

function cut(text: string, from: number): string {
  if (text === '') return '(nothing)'
  const end = from + SHOWN
  return `${from > 0 ? '…' : ''}${text.slice(from, end)}${end < text.length ? '…' : ''}`
}

/** The command as the Dockerfile has it: of a shell form without the shell. */
function textOf(op: StepRecord['op']): string {
  const args = (op.args as readonly string[] | undefined) ?? []
  return op.shell === true ? (args.at(-1) ?? '') : canonicalJson(args)
}

function linesOf(value: unknown): readonly string[] {
  return Array.isArray(value) ? (value as string[]) : []
}

function variableChanges(
  before: readonly string[],
  now: readonly string[],
  { argNames, command }: { argNames: readonly string[]; command: string },
): string[] {
  const [a, b] = [variables(before), variables(now)]
  const out: string[] = []
  for (const name of new Set([...a.keys(), ...b.keys()])) {
    const [old, fresh] = [a.get(name), b.get(name)]
    if (old === fresh) continue
    const word = argNames.includes(name) ? 'ARG' : 'variable'
    const use = new RegExp(`\\b${name.replace(/\W/g, '\\$&')}\\b`).test(command)
      ? 'used by this step'
      : 'in its environment, not named in its command'
    if (old === undefined) out.push(`${word} ${name} (${use}) is new${soundsSecret(name) ? '' : `: ${cut(fresh!, 0)}`}`)
    else if (fresh === undefined) out.push(`${word} ${name} is no longer set`)
    else out.push(`${word} ${name} (${use}) ${soundsSecret(name) ? 'has another value' : change(old, fresh)}`)
  }
  return out
}

function variables(lines: readonly string[]): Map<string, string> {
  return new Map(
    lines.map((line) => {
      const eq = line.indexOf('=')
      return eq < 0 ? [line, ''] : [line.slice(0, eq), line.slice(eq + 1)]
    }),
  )
}

/** Plain values as they are; lists of paths joined; anything else as JSON. */
function shown(value: unknown): string {
  if (value === undefined) return ''
  if (typeof value === 'string') return value
  if (Array.isArray(value)) return value.map(itemText).join(' ')
  return JSON.stringify(value)
}

function itemText(item: unknown): string {
  if (item === null || typeof item !== 'object') return String(item)
  const { path, url, name, content } = item as Record<string, unknown>
  if (typeof url === 'string') return url
  if (typeof content === 'string') return `<<${String(name)} ${JSON.stringify(content)}`
  return typeof path === 'string' && Object.keys(item).length <= 3 ? path : canonicalJson(item)
}
