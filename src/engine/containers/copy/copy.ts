import { lstatSync, realpathSync, statSync } from 'node:fs'
import { TsboxError } from '../../../base/error.js'
import { baseName, dirName } from '../../../base/path.js'
import type { ContainerRecord } from '../../../container/record.js'
import type { Entry, EntryWithContent } from '../../../layer/entry.js'
import { TarEncoder } from '../../../layer/tar-encoder.js'
import { readTarStream } from '../../../layer/tar-reader.js'
import { HelperError } from '../../../rootless/error.js'
import { decompress } from '../../../store/decompress.js'
import type { CopyOptions, CopyTo } from '../../api.js'
import type { ContainerFiles } from './container-files.js'
import { HostSink } from './host-sink.js'
import { copyErrors, hostEntries } from './host-source.js'
import { type CopyPath, copyPath, type Destination, placeCopy, placedPath, TarSize } from './placement.js'

/**
 * Copies a path of a container to this machine, or as a tar.
 *
 * @returns bytes of a tar of it
 * @throws TsboxError E_COPY
 */
export async function copyOut(
  files: ContainerFiles,
  record: ContainerRecord,
  path: string,
  to: CopyTo,
  { followLink }: CopyOptions,
): Promise<number> {
  const from = copyPath(path, '/')
  // With a slash at its end, a link is what it leads to.
  const inside = from.directory ? `${from.path}/.` : from.path
  const entry = await told(record, path, () => files.look(inside, followLink))
  const source = { directory: entry.type === 'dir', contents: from.contents, name: baseName(from.path) }
  if ('tar' in to) return await told(record, path, () => toTar(files, inside, followLink, source, to.tar))
  const target = copyPath(to.path, `${to.cwd}/`)
  const { dir, as } = placeCopy(source, target, hostDestination(target, to.path))
  const size = new TarSize()
  const sink = new HostSink(realFolder(dir, to.path), as, size)
  try {
    await told(record, path, () => files.read(inside, followLink, sink))
    sink.end()
  } finally {
    sink.abort()
  }
  return size.bytes
}

async function toTar(
  files: ContainerFiles,
  path: string,
  follow: boolean,
  source: { contents: boolean; name: string },
  write: (chunk: Uint8Array) => void,
): Promise<number> {
  const encoder = new TarEncoder(write)
  const as = source.contents ? '' : source.name
  const named = (entry: Entry): Entry => ({
    ...entry,
    path: placedPath(as, entry.path),
    ...(entry.type === 'hardlink' ? { link: placedPath(as, entry.link ?? '') } : {}),
  })
  await files.read(path, follow, {
    entry: (entry) => encoder.entry(named(entry)),
    data: (chunk) => encoder.data(chunk),
  })
  encoder.end()
  return encoder.position
}

function hostDestination({ path }: CopyPath, written: string): Destination {
  const stat = copyErrors(() => statSync(path, { throwIfNoEntry: false }))
  if (stat) return { directory: stat.isDirectory() }
  const parent = dirName(path) || '/'
  if (copyErrors(() => statSync(parent, { throwIfNoEntry: false }))?.isDirectory()) return undefined
  throw new TsboxError('E_COPY', `invalid output path: directory "${dirName(written) || parent}" does not exist`)
}

function realFolder(dir: string, written: string): string {
  return copyErrors(() => realpathSync(dir || written))
}

/**
 * Copies a path of this machine, or a tar, into a container.
 *
 * @returns bytes of a tar of it
 * @throws TsboxError E_COPY
 */
export async function copyIn(
  files: ContainerFiles,
  record: ContainerRecord,
  from: { path: string; cwd: string } | { tar: AsyncIterable<Uint8Array> },
  path: string,
  { followLink, archive }: CopyOptions,
): Promise<number> {
  const { there, to } = await containerDestination(files, copyPath(path, '/'))
  const size = new TarSize()
  if ('tar' in from) {
    if (!there?.directory) throw new TsboxError('E_COPY', `destination "${record.name}:${path}" must be a directory`)
    await told(record, path, () => files.write(to.path, counted(tarEntries(from.tar), size)))
    return size.bytes
  }
  const source = copyPath(from.path, `${from.cwd}/`)
  const root = hostRoot(source, followLink)
  const directory = copyErrors(() => lstatSync(root)).isDirectory()
  if (source.directory && !directory) throw new TsboxError('E_COPY', `not a directory: "${from.path}"`)
  const named = { directory, contents: source.contents, name: baseName(source.path) }
  const { dir, as } = placeCopy(named, to, there)
  const entries = renamed(hostEntries(root, archive), as)
  await told(record, dir, () => files.write(dir, counted(entries, size)))
  return size.bytes
}

/** The file itself, or what a link leads to where that is asked for. */
function hostRoot({ path, directory }: CopyPath, followLink: boolean): string {
  return copyErrors(() => {
    const stat = lstatSync(path)
    if (!stat.isSymbolicLink() || !(followLink || directory)) return path
    return realpathSync(path)
  })
}

/** What is there, and where that is: a link is what it leads to. */
async function containerDestination(
  files: ContainerFiles,
  to: CopyPath,
): Promise<{ there: Destination; to: CopyPath }> {
  try {
    const entry = await files.look(to.directory ? `${to.path}/.` : to.path, true)
    return { there: { directory: entry.type === 'dir' }, to: { ...to, path: `/${entry.path}` } }
  } catch (err) {
    if (err instanceof HelperError && (err.errno === 'ENOENT' || err.errno === 'ENOTDIR'))
      return { there: undefined, to }
    throw err
  }
}

async function* tarEntries(tar: AsyncIterable<Uint8Array>): AsyncGenerator<EntryWithContent> {
  for await (const item of readTarStream(decompress(tar), { whiteouts: false })) if (item.entry.path !== '') yield item
}

async function* renamed(entries: AsyncIterable<EntryWithContent>, as: string): AsyncGenerator<EntryWithContent> {
  for await (const { entry, content } of entries) {
    const path = placedPath(as, entry.path)
    if (path !== '') yield { entry: { ...entry, path }, content }
  }
}

async function* counted(entries: AsyncIterable<EntryWithContent>, size: TarSize): AsyncGenerator<EntryWithContent> {
  for await (const item of entries) {
    size.add(item.entry.size)
    yield item
  }
}

/** Docker's words for what goes wrong in the container. */
async function told<T>(record: ContainerRecord, path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (err) {
    if (!(err instanceof HelperError)) throw err
    const because = (message: string) => new TsboxError('E_COPY', message, { cause: err })
    if (err.stage === 'copy' && (err.errno === 'ENOENT' || err.errno === 'ENOTDIR'))
      throw because(`Could not find the file ${path} in container ${record.name}`)
    if (err.stage === 'replace' && err.errno === 'EISDIR')
      throw because(`cannot overwrite directory "${err.detail}" with non-directory`)
    if (err.stage === 'replace' && err.errno === 'ENOTDIR')
      throw because(`cannot overwrite non-directory "${err.detail}" with directory`)
    if (err.errno === 'EROFS') throw because(`container rootfs is marked read-only: "${path}"`)
    throw err
  }
}
