import { concatBytes } from '../../base/bytes.js'
import { TsboxError } from '../../base/error.js'
import type { BuildRequest } from '../../engine/api.js'
import type { Shell } from '../shell.js'
import { UsageError } from '../usage-error.js'
import { isFolder, remoteAddress } from './build-options.js'

/** Where a build reads from. */
export type BuildInput = Pick<BuildRequest, 'context' | 'contextStream' | 'file' | 'dockerfileText'>

/**
 * Finds the context and the Dockerfile that a command line names.
 *
 * @param path the context: a folder, a URL, a git repository, or `-` for a tar or a Dockerfile on standard input
 * @param file `--file`; within the context where that is no folder
 * @throws {UsageError} for contexts that can't be read
 */
export async function buildInput(
  path: string,
  file: string | undefined,
  stdin: Shell['stdin'],
  resolve: (path: string) => string,
): Promise<BuildInput> {
  if (path === '-') {
    if (file === '-') throw refuse("can't use stdin for both build context and dockerfile")
    if (stdin.isTerminal) throw refuse('cannot read the build context: standard input is a terminal')
    return { context: '-', contextStream: stdin.stream(), file }
  }
  const address = remoteAddress(path, resolve)
  const remote = address !== undefined
  const context = address ?? resolve(path)
  if (!remote && !isFolder(context))
    throw new TsboxError('E_CONTEXT', `unable to prepare context: path "${path}" not found`)
  if (file === '-') return { context, file, dockerfileText: await readAll(stdin) }
  return { context, file: file === undefined || remote ? file : resolve(file) }
}

function refuse(message: string): UsageError {
  return new UsageError(message, { exitCode: 1, usage: false })
}

async function readAll(stdin: Shell['stdin']): Promise<string> {
  const chunks: Uint8Array[] = []
  for await (const chunk of stdin.stream()) chunks.push(chunk)
  return new TextDecoder().decode(concatBytes(chunks))
}
