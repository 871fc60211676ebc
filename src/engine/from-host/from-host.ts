import { spawnSync } from 'node:child_process'
import { lstatSync, readlinkSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import type { EntrySink } from '../../layer/entry.js'
import type { ImageConfig } from '../../oci/config.js'
import { formatTime } from '../../oci/image-config.js'
import { readChunks } from '../../util/read-chunks.js'
import type { ImageDeps } from '../images/deps.js'
import { publishImage, sourceDateEpoch } from '../images/new-image.js'
import { tagName } from '../images/tag.js'
import { Collector } from './collect.js'
import { HostTree } from './host-tree.js'

const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
/** Folders that a merged system has as links into /usr. */
const MERGED = ['bin', 'sbin', 'lib', 'lib64']
const DIRS: [path: string, mode: number][] = [
  ['dev', 0o755],
  ['etc', 0o755],
  ['home', 0o755],
  ['proc', 0o555],
  ['root', 0o700],
  ['run', 0o755],
  ['sys', 0o555],
  ['tmp', 0o1777],
  ['usr/bin', 0o755],
  ['usr/lib', 0o755],
  ['usr/sbin', 0o755],
  ['var/tmp', 0o1777],
]
const FILES: [path: string, content: string][] = [
  ['etc/passwd', 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n'],
  ['etc/group', 'root:x:0:\nnogroup:x:65534:\n'],
  ['etc/nsswitch.conf', 'passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n'],
]

/**
 * Makes an image of programs of this machine: the programs, their interpreters and the shared libraries that they need,
 * at their own places, and the few files that any system has. Data that programs read besides (a language's standard
 * library, certificates) can be named as paths of files or folders. The same machine gives the same image.
 *
 * @returns the image's id
 * @throws TsboxError E_PROGRAM_NOT_FOUND, E_LIBRARY_NOT_FOUND, E_ELF_UNSUPPORTED, E_REFERENCE_INVALID
 */
export async function imageFromHost(deps: ImageDeps, reference: string, programs: readonly string[]): Promise<string> {
  const name = tagName(reference)
  const epoch = sourceDateEpoch(deps.env) ?? 0
  const tree = new HostTree(epoch)
  addSkeleton(tree)
  const paths = addPrograms(tree, deps.env, programs)
  for (const [path, content] of FILES) tree.file(path, content)
  const layer = await writeLayer(deps, tree)
  const created = formatTime(epoch)
  const config: ImageConfig = {
    created,
    architecture: deps.platform.architecture,
    ...(deps.platform.variant ? { variant: deps.platform.variant } : {}),
    os: deps.platform.os,
    config: { Env: [`PATH=${DEFAULT_PATH}`], Cmd: [commandOf(tree, paths)], WorkingDir: '/' },
    rootfs: { type: 'layers', diff_ids: [layer.diffID] },
    history: [{ created, created_by: `tsbox image from-host ${programs.join(' ')}` }],
  }
  return publishImage(deps, config, [layer.sizeBytes], name).config
}

/** A shell where there is one, else the first program. */
function commandOf(tree: HostTree, paths: readonly string[]): string {
  return tree.resolve('bin/sh') === undefined ? paths[0]! : '/bin/sh'
}

function addSkeleton(tree: HostTree): void {
  for (const name of MERGED) {
    const stat = lstatSync(`/${name}`, { throwIfNoEntry: false })
    if (!stat) continue
    if (stat.isSymbolicLink()) {
      tree.link(name, readlinkSync(`/${name}`))
      tree.dir(`usr/${name}`)
    } else if (name !== 'lib64') tree.dir(name)
  }
  for (const [path, mode] of DIRS) tree.dir(path, mode)
}

function addPrograms(tree: HostTree, env: ImageDeps['env'], programs: readonly string[]): string[] {
  const path = (env.PATH || DEFAULT_PATH).split(':').filter((dir) => dir.startsWith('/'))
  // An ordinary user's PATH often lacks the folders of system programs.
  const search = [...path, ...DEFAULT_PATH.split(':')]
  const collector = new Collector({ tree, path: search, cwd: process.cwd() })
  const paths = programs.map((program) => collector.add(program))
  for (const [i, found] of paths.entries()) {
    if (!programs[i]!.includes('/') && !DEFAULT_PATH.split(':').includes(dirname(found)))
      tree.link(`usr/bin/${basename(found)}`, found)
  }
  // Last, so that programs that were asked for keep their names.
  for (const found of paths) if (basename(found) === 'busybox') addApplets(tree, found)
  return paths
}

/** Busybox knows by which names it may be called. */
function addApplets(tree: HostTree, busybox: string): void {
  const list = spawnSync(busybox, ['--list-full'], { encoding: 'utf8', env: {} })
  if (list.status !== 0) return
  for (const path of list.stdout.split('\n')) if (/^[\w./[-]+$/.test(path)) tree.link(path, busybox)
}

async function writeLayer({ store, lease }: ImageDeps, tree: HostTree) {
  const writer = store.layers.writer(lease)
  try {
    for (const { entry, source, content } of tree.nodes()) {
      writer.entry(entry)
      if (content) writer.data(content)
      else if (source !== undefined) await copyFile(source, writer)
    }
    return writer.finish()
  } finally {
    writer.abort()
  }
}

async function copyFile(path: string, sink: EntrySink): Promise<void> {
  for await (const chunk of readChunks(path)) sink.data(chunk)
}
