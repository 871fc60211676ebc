import type { EscapeToken } from './ast.js'
import { fault } from './fault.js'
import { cut, parseBool, quote, trimSpace, trimStart } from './go-text.js'

/** `# key=value` lines at the top of a Dockerfile. */
export interface Directives {
  /** First word of `# syntax=`, the frontend image asked for; undefined where absent. */
  syntax: string | undefined
  escape: EscapeToken
  check: CheckOptions
}

/** The frontends whose language this is, any version of them, `-labs` included. */
const OWN_FRONTENDS = ['docker/dockerfile', 'docker/dockerfile-upstream']

/**
 * Whether the language that `# syntax=` (or BUILDKIT_SYNTAX) names is this one.
 *
 * @param image the frontend's image
 */
export function isOwnFrontend(image: string): boolean {
  const name = image.replace(/@.*$/, '').replace(/:[^/]*$/, '')
  return OWN_FRONTENDS.includes(name.replace(/^(docker\.io|index\.docker\.io)\//, ''))
}

/** `# check=skip=A,B;error=true;experimental=C` */
export interface CheckOptions {
  skip: string[]
  skipAll: boolean
  experimental: string[]
  experimentalAll: boolean
  /** Warnings fail the build. */
  error: boolean
}

const DIRECTIVE = /^[\t\n\f\r ]*([a-zA-Z][a-zA-Z0-9]*)[\t\n\f\r ]*=[\t\n\f\r ]*(.+?)[\t\n\f\r ]*$/
const KEYS = new Set(['syntax', 'escape', 'check'])

/**
 * Reads directives line by line. They end with the first line that is none: an instruction, an empty line, a comment of
 * another form or with another key.
 */
export class DirectiveReader {
  escape: EscapeToken = '\\'
  readonly values = new Map<string, string>()
  #done = false
  readonly #prefix: string

  constructor(prefix = '#') {
    this.#prefix = prefix
  }

  /** @returns whether the line was a directive */
  line(text: string): boolean {
    if (this.#done) return false
    const match = text.startsWith(this.#prefix) ? DIRECTIVE.exec(text.slice(this.#prefix.length)) : null
    const key = match ? match[1]!.toLowerCase() : ''
    if (!match || !KEYS.has(key)) {
      this.#done = true
      return false
    }
    if (this.values.has(key))
      throw fault(`only one ${key} parser directive can be used`, `remove the second "# ${key}=" line`)
    this.values.set(key, match[2]!)
    if (key === 'escape') this.#setEscape(match[2]!)
    return true
  }

  #setEscape(value: string): void {
    if (value !== '\\' && value !== '`')
      throw fault(`invalid escape token '${value}' does not match \` or \\`, 'write # escape=` or # escape=\\')
    this.escape = value
  }
}

/**
 * Reads the directives of a whole file, for what is not parsing: a `#!` line above them is passed over.
 *
 * @throws TsboxError E_DOCKERFILE without a location
 */
export function readDirectives(text: string): Directives {
  const reader = readAll(text, '#')
  const syntax = reader.values.get('syntax') ?? readAll(text, '//').values.get('syntax')
  return {
    syntax: syntax === undefined ? undefined : cut(syntax, ' ')[0],
    escape: reader.escape,
    check: parseCheckOptions(reader.values.get('check') ?? ''),
  }
}

/**
 * Refuses a file that `# syntax=` says is in another language.
 *
 * @throws TsboxError E_DOCKERFILE without a location
 */
export function refuseForeignSyntax(
  { syntax }: Pick<Directives, 'syntax'>,
  hint = 'remove the syntax line if the file is a plain Dockerfile',
): void {
  if (syntax !== undefined && !isOwnFrontend(syntax))
    throw fault(
      `frontend ${quote(syntax)} is for another language than docker/dockerfile, and frontend images are not run`,
      hint,
    )
}

function readAll(text: string, prefix: string): DirectiveReader {
  const reader = new DirectiveReader(prefix)
  const lines = text.replace(/^\ufeff/, '').split('\n')
  if (lines[0]?.startsWith('#!')) lines.shift()
  for (const line of lines) if (!reader.line(trimStart(line.replace(/\r+$/, '')))) break
  return reader
}

/**
 * Reads the value of `# check=` or of the build argument BUILDKIT_DOCKERFILE_CHECK.
 *
 * @throws TsboxError E_DOCKERFILE for an unknown option
 */
export function parseCheckOptions(text: string): CheckOptions {
  const options: CheckOptions = { skip: [], skipAll: false, experimental: [], experimentalAll: false, error: false }
  if (trimSpace(text) === '') return options
  for (const part of splitN(trimSpace(text), ';', 3)) {
    const [rawKey, rawValue, found] = cut(part, '=')
    const key = trimSpace(rawKey)
    const value = trimSpace(rawValue)
    if (!found) throw badOption(part)
    if (key === 'skip') {
      if (value === 'all') options.skipAll = true
      else options.skip = value.split(',').map(trimSpace)
    } else if (key === 'experimental') {
      if (value === 'all') options.experimentalAll = true
      else options.experimental = value.split(',').map(trimSpace)
    } else if (key === 'error') {
      const on = parseBool(value)
      if (on === undefined)
        throw fault(`failed to parse check option ${quote(part)}`, 'write error=true or error=false')
      options.error = on
    } else throw badOption(key)
  }
  return options
}

function badOption(option: string): Error {
  return fault(`invalid check option ${quote(option)}`, 'options are skip=, error= and experimental=, separated by ";"')
}

function splitN(text: string, separator: string, count: number): string[] {
  const parts = text.split(separator)
  return parts.length <= count ? parts : [...parts.slice(0, count - 1), parts.slice(count - 1).join(separator)]
}
