// Reads a docker-archive into what can be compared: the configuration, and the tree that its layers give.
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { Readable } from 'node:stream'
import { extract } from 'tar-stream'

async function eachEntry(source, visit) {
  const entries = extract()
  source.on('error', (err) => entries.destroy(err))
  source.pipe(entries)
  for await (const entry of entries) {
    const chunks = []
    for await (const chunk of entry) chunks.push(chunk)
    visit(entry.header, Buffer.concat(chunks))
  }
}

/** @returns `{ config, tree }`: the image's configuration, and path → description of each file of the merged layers */
export async function readImage(archive) {
  const files = new Map()
  await eachEntry(createReadStream(archive), (header, content) => files.set(header.name, { header, content }))
  const content = (name) => {
    const file = files.get(name)
    return file?.header.type === 'symlink' ? content(file.header.linkname.replace(/^(\.\.\/)+/, '')) : file?.content
  }
  const [manifest] = JSON.parse(content('manifest.json'))
  const tree = new Map()
  for (const layer of manifest.Layers) await applyLayer(tree, content(layer))
  return { config: JSON.parse(content(manifest.Config)), tree }
}

async function applyLayer(tree, tar) {
  const entries = []
  await eachEntry(Readable.from([tar]), (header, content) => entries.push({ header, content }))
  const named = entries.map((e) => ({ ...e, path: e.header.name.replace(/^(\.?\/)+|\/+$/g, '') }))
  for (const { path } of named) hide(tree, path)
  for (const { header, content, path } of named) {
    const name = path.split('/').at(-1)
    if (path === '' || name.startsWith('.wh.')) continue
    if (header.type !== 'directory' || tree.get(path)?.type !== 'directory') removeBelow(tree, path)
    tree.set(path, header.type === 'link' ? linked(tree, header.linkname) : described(header, content))
  }
}

/** What a whiteout takes from the layers below. */
function hide(tree, path) {
  const at = path.lastIndexOf('/')
  const dir = path.slice(0, at + 1)
  const name = path.slice(at + 1)
  if (name === '.wh..wh..opq') removeBelow(tree, dir.slice(0, -1), true)
  else if (name.startsWith('.wh.')) removeBelow(tree, dir + name.slice(4))
}

function removeBelow(tree, path, keepItself = false) {
  if (!keepItself) tree.delete(path)
  for (const p of tree.keys()) if (p.startsWith(`${path}/`)) tree.delete(p)
}

function linked(tree, target) {
  const file = tree.get(target.replace(/^(\.?\/)+/, ''))
  return file ?? { type: `a hard link to nothing: ${target}` }
}

function described({ type, mode, uid, gid, linkname, devmajor, devminor }, content) {
  const out = { type, owner: `${uid}:${gid}` }
  // Nobody asks for the mode of a link, and tools write different ones.
  // Buildah's Go writes the type into the mode, too.
  if (type !== 'symlink') out.mode = (mode & 0o7777).toString(8)
  if (type === 'symlink') out.link = linkname
  if (type.endsWith('device')) out.device = `${devmajor}:${devminor}`
  if (type === 'file') out.content = createHash('sha256').update(content).digest('hex').slice(0, 16)
  return out
}
