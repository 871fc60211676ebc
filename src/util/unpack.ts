import { spawn } from 'node:child_process'
import { Readable, type Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import { errnoCode, TsboxError } from '../base/error.js'

/** What can be unpacked. */
export type Packed = 'none' | 'gzip' | 'zstd' | 'bzip2' | 'xz'

/** Programs for what neither Node nor a package of ours unpacks, and where they come from. */
const PROGRAMS = { bzip2: 'bzip2', xz: 'xz-utils' } as const

/**
 * Unpacks a stream. Chunks come in memory of their own.
 *
 * @throws TsboxError E_UNPACK for damaged data, E_NO_UNPACKER where `xz` or `bzip2` is not installed; while iterating
 */
export async function* unpack(kind: Packed, chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  if (kind === 'none') yield* chunks
  else if (kind === 'gzip') yield* gunzip(chunks)
  else if (kind === 'zstd') yield* unzstd(chunks)
  else yield* throughProgram(kind, chunks)
}

async function* gunzip(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const stream = createGunzip({ chunkSize: 1 << 17 })
  // The error of the source is the one to report: pipeline destroys the transform with it.
  const fed = pipeline(Readable.from(chunks, { objectMode: false }), stream).catch((err: unknown) => err)
  try {
    for await (const chunk of stream) yield chunk as Buffer
  } catch (err) {
    throw damaged('gzip', (await fed) ?? err)
  } finally {
    stream.destroy()
  }
}

async function* unzstd(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  // Loaded where needed: Node has no zstd before 22.15.
  const { Decompress } = await import('fzstd')
  let out: Uint8Array[] = []
  const stream = new Decompress((chunk) => out.push(chunk))
  try {
    for await (const chunk of chunks) {
      stream.push(chunk)
      yield* out
      out = []
    }
    stream.push(new Uint8Array(0), true)
  } catch (err) {
    throw damaged('zstd', err)
  }
  yield* out
}

async function* throughProgram(kind: 'bzip2' | 'xz', chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const child = spawn(kind, ['-dc'], { stdio: ['pipe', 'pipe', 'ignore'] })
  const ended = new Promise<unknown>((resolve) => {
    child.on('error', resolve)
    child.on('close', (code) => resolve(code === 0 ? undefined : new Error(`${kind} ended with status ${code}`)))
  })
  const fed = feed(chunks, child.stdin)
  try {
    for await (const chunk of child.stdout) yield chunk as Buffer
    const failure = (await fed) ?? (await ended)
    if (errnoCode(failure) === 'ENOENT')
      throw new TsboxError('E_NO_UNPACKER', `unpack archive: "${kind}" is not installed`, {
        hint: `sudo apt-get install ${PROGRAMS[kind]}`,
      })
    if (failure) throw damaged(kind, failure)
  } finally {
    child.kill()
  }
}

/** @returns the source's error; a reader that ended early says why itself */
async function feed(chunks: AsyncIterable<Uint8Array>, stdin: Writable): Promise<unknown> {
  let failure: unknown
  const guarded = (async function* () {
    try {
      yield* chunks
    } catch (err) {
      failure = err
    }
  })()
  await pipeline(guarded, stdin).catch(() => {})
  return failure
}

function damaged(kind: Packed, cause: unknown): unknown {
  if (cause instanceof TsboxError) return cause
  const code = errnoCode(cause)
  if (code && !code.startsWith('Z_')) return cause
  const message = cause instanceof Error ? cause.message : String(cause)
  return new TsboxError('E_UNPACK', `unpack archive: damaged ${kind} data: "${message}"`, { cause })
}
