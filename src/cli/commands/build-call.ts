import type { DockerfileEngine, DockerfileRequest } from '../../engine/api.js'
import type { Output } from '../shell.js'
import { UsageError } from '../usage-error.js'

/** A `--call` that builds nothing. */
export interface BuildCall {
  method: 'check' | 'outline' | 'targets'
  json: boolean
  /** Warnings are no failure. */
  ignoreStatus: boolean
}

/** What a call answered. */
export interface CallResult {
  json: unknown
  text: string
  /** Exit status. */
  status: number
  /** What the check found to fail the build. */
  error?: Error | undefined
}

/**
 * Reads `--call METHOD[,format=json|text][,ignorestatus=BOOL]`, and `--check`, which is `--call=check`.
 *
 * @returns undefined for a build
 * @throws {UsageError} for what is no method
 * @see docker/buildx util/buildflags/call.go
 */
export function parseCall(text: string | undefined, check: boolean): BuildCall | undefined {
  let method = ''
  const call = { json: false, ignoreStatus: false }
  for (const field of (text ?? '').split(',').filter((f) => f !== '')) {
    const [key, value] = field.split(/=(.*)/s) as [string, string | undefined]
    if (value === undefined && method === '') method = key
    else if (key === 'format' && (value === 'json' || value === 'text')) call.json = value === 'json'
    else if (key === 'ignorestatus' && /^(true|false|1|0)$/.test(value ?? ''))
      call.ignoreStatus = value === 'true' || value === '1'
    else throw wrong(text!, `"${field}" is not format=json, format=text or ignorestatus=true`)
  }
  if (method === 'lint') method = 'check'
  if (method === 'build' && (call.json || call.ignoreStatus))
    throw wrong(text!, 'a build has no format or ignorestatus')
  if (check && (method === '' || method === 'build')) method = 'check'
  if (check && method !== 'check') throw wrong(text!, '--check is --call=check')
  if (method === '' && text) throw wrong(text, 'a method must be given')
  if (method === '' || method === 'build') return undefined
  if (method === 'check' || method === 'outline' || method === 'targets') return { ...call, method }
  throw wrong(text!, 'must be one of build, check, outline, targets')
}

function wrong(text: string, reason: string): UsageError {
  return new UsageError(`invalid argument "${text}" for "--call" flag: ${reason}`)
}

/** Asks for what a call says, and prints it. */
export async function answerCall(
  { method, json, ignoreStatus }: BuildCall,
  engine: DockerfileEngine,
  request: DockerfileRequest,
  out: Output,
): Promise<CallResult> {
  const views = await import('./build-call-views.js')
  const result =
    method === 'check'
      ? views.checkView(await engine.check(request))
      : method === 'outline'
        ? views.outlineView(await engine.outline(request))
        : views.targetsView(await engine.targets(request))
  out.write(json ? `${JSON.stringify(result.json, null, 2)}\n` : result.text)
  return { ...result, status: ignoreStatus ? 0 : result.status }
}
