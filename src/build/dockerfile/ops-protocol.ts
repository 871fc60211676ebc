import { TsboxError } from '../../base/error.js'
import { IgnoreMatcher } from '../context/ignore.js'
import { parseIgnoreFile } from '../context/ignore-file.js'
import { lint } from './checks/lint.js'
import { dumpTree } from './dump.js'
import type { SourceFile } from './fault.js'
import type { Stage } from './instruction.js'
import { parseDockerfile, parseStages } from './parse.js'
import { parseTree } from './parse-tree.js'
import { expandWord, expandWords, type Lookup } from './shell-lex.js'

/** A question about the language, as the hidden command `dockerfile ops` reads it line by line. */
export interface OpRequest {
  id: string
  op: string
  text?: string
  word?: string
  env?: string[]
  patterns?: string[]
  path?: string
  build_args?: Record<string, string>
  target?: string
  dockerignore?: string
}

/** The answer: `ok` is false, with an `error`, where the language says no. */
export interface OpResponse {
  id: string
  ok: boolean
  error?: string
  [field: string]: unknown
}

/** Answers one question. Never throws for what a Dockerfile can do wrong. */
export function answerOp(request: OpRequest): OpResponse {
  try {
    return { id: request.id, ok: true, ...answer(request) }
  } catch (err) {
    if (err instanceof TsboxError) return { id: request.id, ok: false, error: err.message }
    throw err
  }
}

function answer(request: OpRequest): object {
  const text = request.text ?? ''
  switch (request.op) {
    case 'parse':
      return parse({ file: 'Dockerfile', text })
    case 'lint':
      return lintText(request)
    case 'expand':
      return { result: expandWord(request.word ?? '', lookup(request.env)) }
    case 'words':
      return { result: expandWords(request.word ?? '', lookup(request.env)) }
    case 'match':
      return { result: new IgnoreMatcher(request.patterns ?? []).matches(request.path ?? '') }
    case 'ignorefile':
      return { result: parseIgnoreFile(text) }
    default:
      throw new TsboxError('E_USAGE', `dockerfile ops: unknown operation "${request.op}"`)
  }
}

function parse(source: SourceFile): object {
  const tree = parseTree(source)
  const sexp = dumpTree(tree)
  try {
    return { sexp, instructions_ok: true, stages: parseStages(source, tree).stages.map(summary) }
  } catch (err) {
    if (!(err instanceof TsboxError)) throw err
    return { sexp, instructions_ok: false, error: err.message }
  }
}

/** Checks with an empty linux/amd64 image for every base. */
function lintText(request: OpRequest): object {
  const file = parseDockerfile(request.text ?? '', { file: 'Dockerfile', anySyntax: true })
  const { warnings, error } = lint(file, {
    buildArgs: request.build_args,
    target: request.target,
    platform: { os: 'linux', architecture: 'amd64' },
    ignorePatterns: parseIgnoreFile(request.dockerignore ?? ''),
  })
  return {
    ok: error === undefined,
    ...(error ? { error: error.message } : {}),
    warnings: warnings.map(({ rule, line, detail }) => ({ rule, line, detail })),
  }
}

function summary(stage: Stage): object {
  return {
    name: stage.name,
    base: stage.base,
    platform: stage.platform,
    commands: stage.instructions.map((i) => i.type),
  }
}

function lookup(env: readonly string[] = []): Lookup {
  const values = new Map<string, string>()
  for (const line of env) {
    const eq = line.indexOf('=')
    values.set(eq < 0 ? line : line.slice(0, eq), eq < 0 ? '' : line.slice(eq + 1))
  }
  return (name) => values.get(name)
}
