import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { concatBytes } from '../../base/bytes.js'
import { TsboxError } from '../../base/error.js'
import type { BuildRequest } from '../../engine/api.js'
import type { Shell } from '../shell.js'
import { UsageError } from '../usage-error.js'
import { isFolder } from './build-options.js'

/** Where a build reads from. */
export type BuildInput = Pick<BuildRequest, 'context' | 'file' | 'dockerfileText'>

/**
 * Finds the context and the Dockerfile that a command line names, and gives them to `work`.
 *
 * @param path the context: a folder, or `-` for a Dockerfile on standard input and nothing to copy from
 * @param file `--file`
 * @throws {UsageError} for contexts that can't be read
 */
export async function withBuildInput<T>(
  path: string,
  file: string | undefined,
  stdin: Shell['stdin'],
  resolve: (path: string) => string,
  work: (input: BuildInput) => Promise<T>,
): Promise<T> {
  if (path === '-') {
    if (file === '-') throw refuse("can't use stdin for both build context and dockerfile")
    if (file !== undefined) throw refuse('a Dockerfile on standard input has no other files: leave --file out')
    return await withDockerfileOnly(await readDockerfile(stdin), work)
  }
  if (/^(https?|git|ssh):\/\/|^git@|^github\.com\//.test(path)) {
    throw refuse(`cannot build from "${path}": contexts are folders of this machine for now`)
  }
  const context = resolve(path)
  if (!isFolder(context)) {
    throw new TsboxError('E_CONTEXT', `unable to prepare context: path "${path}" not found`)
  }
  if (file !== '-') return await work({ context, file: file === undefined ? undefined : resolve(file) })
  return await work({ context, file: '-', dockerfileText: await readDockerfile(stdin) })
}

async function withDockerfileOnly<T>(dockerfileText: string, work: (input: BuildInput) => Promise<T>): Promise<T> {
  const context = mkdtempSync(join(tmpdir(), 'tsbox-context-'))
  try {
    return await work({ context, file: '-', dockerfileText })
  } finally {
    rmSync(context, { recursive: true, force: true })
  }
}

function refuse(message: string): UsageError {
  return new UsageError(message, { exitCode: 1, usage: false })
}

async function readDockerfile(stdin: Shell['stdin']): Promise<string> {
  const chunks: Uint8Array[] = []
  for await (const chunk of stdin.stream()) chunks.push(chunk)
  const bytes = concatBytes(chunks)
  if (isArchive(bytes)) throw refuse('cannot build from an archive on standard input: unpack it and name the folder')
  return new TextDecoder().decode(bytes)
}

/** gzip, bzip2, xz, zstd, or tar's magic. */
function isArchive(bytes: Uint8Array): boolean {
  const hex = Buffer.from(bytes.subarray(0, 6)).toString('hex')
  const compressed = ['1f8b', '425a68', 'fd377a585a00', '28b52ffd'].some((magic) => hex.startsWith(magic))
  return compressed || Buffer.from(bytes.subarray(257, 262)).toString('latin1') === 'ustar'
}
