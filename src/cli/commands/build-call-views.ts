import type { LineRange } from '../../build/dockerfile/ast.js'
import type { Outline } from '../../build/dockerfile/checks/outline.js'
import type { DockerfileAnswer, DockerfileCheck, DockerfileTarget } from '../../engine/api.js'
import { sourceExcerpt } from '../report.js'
import type { CallResult } from './build-call.js'

/** Result of `--call=check`. @see moby/buildkit frontend/subrequests/lint, docker/buildx commands/build.go */
export function checkView({ source, warnings, error }: DockerfileCheck): CallResult {
  const place = error?.location && { line: error.location.line, endLine: error.location.endLine ?? error.location.line }
  const json = {
    warnings: warnings.map(({ rule, description, url, detail, line, endLine }) => ({
      ruleName: rule,
      description,
      ...(url ? { url } : {}),
      detail,
      location: locationOf({ line, endLine }),
    })),
    sources: [{ filename: source.file, data: base64(source.text), language: 'Dockerfile' }],
    ...(error ? { buildError: { message: error.message, location: locationOf(place) } } : {}),
  }
  const said = warnings.map(({ rule, url, detail, line, endLine }) => {
    const heading = `\nWARNING: ${rule}${url ? ` - ${url}` : ''}\n${detail}\n`
    return heading + (line > 0 ? sourceExcerpt({ ...source, line, endLine }) : '')
  })
  const text = complete(warnings.length, error !== undefined) + said.join('') + (error && said.length ? '\n' : '')
  return { json, text, status: warnings.length || error ? 1 : 0, error }
}

function complete(warnings: number, failed: boolean): string {
  if (warnings === 0) return failed ? '' : 'Check complete, no warnings found.\n'
  return `Check complete, ${warnings === 1 ? '1 warning has' : `${warnings} warnings have`} been found!\n`
}

/** Result of `--call=outline`. @see moby/buildkit frontend/subrequests/outline */
export function outlineView({ source, name, description, args, secrets, ssh }: Outline & DockerfileAnswer): CallResult {
  const mounts = (list: Outline['secrets']) =>
    list.map((m) => ({ name: m.name, ...(m.required ? { required: true } : {}), location: locationOf(m.location) }))
  const json = {
    ...filled({ name, description }),
    ...(args.length
      ? { args: args.map((a) => ({ name: a.name, ...filled(pick(a)), location: locationOf(a.location) })) }
      : {}),
    ...(secrets.length ? { secrets: mounts(secrets) } : {}),
    ...(ssh.length ? { ssh: mounts(ssh) } : {}),
    sources: [base64(source.text)],
  }
  const target = [['TARGET:', name || '(default)'], ...(description ? [['DESCRIPTION:', description]] : [])]
  const tables = [
    name || description ? table(target, 1) : '',
    args.length ? table([['BUILD ARG', 'VALUE', 'DESCRIPTION'], ...args.map(argRow)], 3) : '',
    mountTable('SECRET', secrets),
    mountTable('SSH', ssh),
  ]
  const shown = tables.filter((t) => t !== '').map((t) => `${t}\n`)
  return { json, text: shown.join(''), status: 0 }
}

function pick({ description, value }: Outline['args'][number]): Record<string, string> {
  return { description, value }
}

function argRow({ name, value, description }: Outline['args'][number]): string[] {
  return [name, value, description]
}

function mountTable(heading: string, mounts: Outline['secrets']): string {
  const rows = mounts.map((m) => [m.name, m.required ? 'true' : ''])
  return rows.length ? table([[heading, 'REQUIRED'], ...rows], 3) : ''
}

/** Result of `--call=targets`. @see moby/buildkit frontend/subrequests/targets */
export function targetsView({ source, targets }: { targets: DockerfileTarget[] } & DockerfileAnswer): CallResult {
  const json = {
    targets: targets.map((t) => ({
      ...filled({ name: t.name }),
      ...(t.default ? { default: true } : {}),
      ...filled({ description: t.description, base: t.base, platform: t.platform }),
      location: locationOf(t.location),
    })),
    sources: [base64(source.text)],
  }
  const rows = targets.map((t) => {
    const mark = t.default ? '(default)' : ''
    return [[t.name, mark].filter(Boolean).join(' '), t.description]
  })
  return { json, text: table([['TARGET', 'DESCRIPTION'], ...rows], 1), status: 0 }
}

/** BuildKit's pb.Location; a place that is not known is empty. */
function locationOf(range: LineRange | undefined): { ranges?: object[] } {
  if (!range || range.line < 1) return {}
  return { ranges: [{ start: { line: range.line }, end: { line: range.endLine } }] }
}

/** Fields that are not empty: Go leaves the others out. */
function filled(fields: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== ''))
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64')
}

/** Columns as Go's tabwriter aligns them, without blanks at the ends of lines. */
function table(rows: readonly (readonly string[])[], gap: number): string {
  const width = (column: number) => Math.max(...rows.map((r) => [...(r[column] ?? '')].length)) + gap
  const pad = (cell: string, column: number) => cell + ' '.repeat(width(column) - [...cell].length)
  return rows.map((r) => `${r.map(pad).join('').trimEnd()}\n`).join('')
}
