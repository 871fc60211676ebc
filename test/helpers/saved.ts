import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { extract, type Header } from 'tar-stream'
import type { Cli } from './cli.js'

/** An entry of a tar as a foreign reader sees it. */
export interface TarItem {
  /** Without a leading `./` and a trailing slash. */
  path: string
  type: string
  mode: number
  uid: number
  gid: number
  mtimeSeconds: number
  link: string | undefined
  /** `major:minor` of a device. */
  device: string | undefined
  /** Names of extended attributes. */
  xattrs: string[]
  content: Buffer
}

/** An image as `tsbox save` writes it, read by other code than ours. */
export interface SavedImage {
  configDigest: string
  config: {
    config: Record<string, unknown>
    history: { created_by?: string; empty_layer?: boolean }[]
    rootfs: { diff_ids: string[] }
  }
  /** Base first. */
  layers: TarItem[][]
  /** Content of every file of the archive. */
  files: Map<string, Buffer>
}

/** Reads all of a tar. */
export async function readTar(bytes: Readable | Buffer): Promise<TarItem[]> {
  const out: TarItem[] = []
  const entries = extract()
  const source = Buffer.isBuffer(bytes) ? Readable.from([bytes]) : bytes
  source.on('error', (err) => entries.destroy(err))
  source.pipe(entries)
  for await (const entry of entries) {
    const chunks: Buffer[] = []
    for await (const chunk of entry) chunks.push(chunk as Buffer)
    out.push(itemOf(entry.header, Buffer.concat(chunks)))
  }
  return out
}

function itemOf(header: Header, content: Buffer): TarItem {
  const pax = Object.keys(header.pax ?? {})
  return {
    path: header.name.replace(/^\.\/|\/$/g, ''),
    type: header.type ?? 'file',
    mode: header.mode ?? 0,
    uid: header.uid ?? -1,
    gid: header.gid ?? -1,
    mtimeSeconds: (header.mtime?.getTime() ?? 0) / 1000,
    link: header.linkname ?? undefined,
    device: header.type?.endsWith('device') ? `${header.devmajor}:${header.devminor}` : undefined,
    xattrs: pax.filter((k) => k.startsWith('SCHILY.xattr.')).map((k) => k.slice(13)),
    content,
  }
}

/** Saves an image and reads the archive by its docker manifest; checks that every layer has the digest it should. */
export async function savedImage(cli: Cli, reference: string): Promise<SavedImage> {
  const path = join(cli.dir, `saved-${createHash('sha256').update(reference).digest('hex').slice(0, 8)}.tar`)
  cli.ok(['save', '-o', path, reference])
  const files = new Map((await readTar(createReadStream(path))).map((i) => [i.path, i.content]))
  const [manifest] = JSON.parse(String(files.get('manifest.json'))) as { Config: string; Layers: string[] }[]
  const raw = files.get(manifest!.Config)!
  const config = JSON.parse(String(raw)) as SavedImage['config']
  const layers: TarItem[][] = []
  for (const [i, name] of manifest!.Layers.entries()) {
    const tar = files.get(name)!
    const digest = sha256(tar)
    if (digest !== config.rootfs.diff_ids[i]) throw new Error(`layer ${i} is ${digest}, the config says otherwise`)
    layers.push(await readTar(tar))
  }
  return { configDigest: sha256(raw), config, layers, files }
}

function sha256(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

/** What a path is in the topmost layer that has it. */
export function entryOf(image: SavedImage, path: string): TarItem | undefined {
  return image.layers.flat().findLast((e) => e.path === path)
}

/** `type mode uid:gid` of a path, as `ls -ln` would say it. */
export function ownerOf(image: SavedImage, path: string): string {
  const e = entryOf(image, path)
  return e ? `${e.type} ${e.mode.toString(8)} ${e.uid}:${e.gid}` : 'absent'
}
