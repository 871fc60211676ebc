import { existsSync, readFileSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { errnoCode, TsboxError } from '../../base/error.js'
import { parseIgnoreFile } from '../../build/context/ignore-file.js'
import type { BuildRequest } from '../api.js'

/** Proxy settings that steps see and keys don't. @see Dockerfile reference, "Predefined ARGs" */
const PROXY_ARGS = ['HTTP_PROXY', 'HTTPS_PROXY', 'FTP_PROXY', 'NO_PROXY', 'ALL_PROXY']

/** The Dockerfile of a build: its text, and the name that errors show. */
export interface DockerfileSource {
  text: string
  file: string
}

/** @throws TsboxError E_DOCKERFILE_MISSING, E_DOCKERFILE_UNREADABLE */
export function readDockerfile(request: Pick<BuildRequest, 'context' | 'file' | 'dockerfileText'>): DockerfileSource {
  if (request.dockerfileText !== undefined) return { text: request.dockerfileText, file: 'Dockerfile' }
  const path = request.file ?? defaultDockerfile(request.context)
  try {
    return { text: readFileSync(path, 'utf8'), file: shownName(path, request.context) }
  } catch (cause) {
    const code = errnoCode(cause)
    if (code === 'ENOENT')
      throw new TsboxError(
        'E_DOCKERFILE_MISSING',
        `failed to read dockerfile: open ${basename(path)}: no such file or directory`,
        {
          hint: `make ${path}, or name another file with -f`,
        },
      )
    throw new TsboxError('E_DOCKERFILE_UNREADABLE', `failed to read dockerfile: ${code ?? 'failed'}: "${path}"`, {
      cause,
    })
  }
}

function readText(path: string, what: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    throw new TsboxError('E_CONTEXT_UNREADABLE', `failed to read ${what}: ${errnoCode(cause) ?? 'failed'}: "${path}"`, {
      cause,
      hint: `chmod u+r '${path}'`,
    })
  }
}

function defaultDockerfile(context: string): string {
  const path = join(context, 'Dockerfile')
  const lower = join(context, 'dockerfile')
  return !existsSync(path) && existsSync(lower) ? lower : path
}

function shownName(path: string, context: string): string {
  return path.startsWith(`${context}/`) ? path.slice(context.length + 1) : path
}

/** Patterns of `<Dockerfile>.dockerignore`, else of the context's `.dockerignore`. */
export function ignorePatterns(request: Pick<BuildRequest, 'context' | 'file'>): string[] {
  const own = request.file === undefined ? undefined : `${request.file}.dockerignore`
  for (const path of [own, join(request.context, 'Dockerfile.dockerignore'), join(request.context, '.dockerignore')]) {
    if (path === undefined || !existsSync(path)) continue
    if (path.endsWith('Dockerfile.dockerignore') && request.file !== undefined && path !== own) continue
    return parseIgnoreFile(readText(path, '.dockerignore'))
  }
  return []
}

/** @throws TsboxError E_CONTEXT_MISSING */
export function checkContext(context: string): void {
  const stat = statSync(context, { throwIfNoEntry: false })
  if (stat?.isDirectory()) return
  throw new TsboxError(
    'E_CONTEXT_MISSING',
    `unable to prepare context: ${stat ? 'not a directory' : 'path not found'}: "${context}"`,
    {
      hint: 'the last argument of tsbox build is the folder of the build context, often "."',
    },
  )
}

/** Build arguments with values; a name without one takes the environment's, or is as if not given. */
export function buildArgs(
  request: Pick<BuildRequest, 'buildArgs'>,
  env: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  const out: Record<string, string> = {}
  if (env.SOURCE_DATE_EPOCH) out.SOURCE_DATE_EPOCH = env.SOURCE_DATE_EPOCH
  for (const [key, value] of Object.entries(request.buildArgs)) {
    const given = value ?? env[key]
    if (given !== undefined) out[key] = given
  }
  return out
}

/** Build arguments of the proxy family: for steps, not for keys or history. */
export function proxyEnv(args: Readonly<Record<string, string>>): Record<string, string> {
  const out: Record<string, string> = {}
  for (const [key, value] of Object.entries(args)) if (PROXY_ARGS.includes(key.toUpperCase())) out[key] = value
  return out
}

/** SOURCE_DATE_EPOCH in seconds. @throws TsboxError E_SOURCE_DATE_EPOCH */
export function sourceDateEpoch(args: Readonly<Record<string, string>>): number | undefined {
  const text = args.SOURCE_DATE_EPOCH
  if (text === undefined || text === '') return undefined
  if (!/^\d{1,12}$/.test(text))
    throw new TsboxError(
      'E_SOURCE_DATE_EPOCH',
      `invalid SOURCE_DATE_EPOCH: not a number of seconds since 1970: "${text}"`,
      {
        hint: 'for example SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)',
      },
    )
  return Number(text)
}
