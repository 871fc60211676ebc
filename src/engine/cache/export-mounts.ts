import { closeSync, openSync, rmSync } from 'node:fs'
import { TsboxError } from '../../base/error.js'
import type { CachedMount } from '../../build/export/cache-config.js'
import type { MountUse } from '../../build/export/cache-entries.js'
import type { StoredMount } from '../../store/mounts.js'
import { contentSha256 } from '../../util/hash.js'
import { readChunks } from '../../util/read-chunks.js'
import { withStorageErrors } from '../../util/storage-error.js'
import type { CacheForm } from '../api.js'
import { writeAll } from '../output/sink.js'
import type { CacheWriter, ExportDeps } from './export.js'
import type { HeldMount } from './import.js'
import { mountKey, mountRoot, writeMountTar } from './mount-data.js'

type ExportTo = CacheForm

/**
 * Exports what cache mounts hold: those of the steps of this build, or those with an id that was named. One that is too
 * large, in use, or can't be read is left out with a word.
 */
export async function exportMounts(
  deps: ExportDeps,
  writer: CacheWriter,
  used: readonly MountUse[],
  to: ExportTo,
  status: (text: string) => void,
): Promise<CachedMount[]> {
  if (to.mounts === false || (used.length === 0 && to.mounts === true)) return []
  const out = new Map<string, CachedMount>()
  for (const mount of await mountsFor(deps, used, to.mounts)) {
    deps.signal.throwIfAborted()
    const made = await exportMount(deps, writer, mount, to.mountsLimitBytes, status)
    // The mounts of this process's id mode come first.
    if (made && !out.has(made.key)) out.set(made.key, made)
  }
  // Where every step was cached, a mount may never have been made here: it must not get lost for that.
  for (const held of [...(deps.imported?.mounts() ?? []), ...writer.mountsBefore()]) {
    const { key, id } = held.mount
    const asked = to.mounts === true ? used.some((u) => u.id === id) : to.mounts.includes(id)
    if (!asked || out.has(key)) continue
    const { mode, uid, gid, diffID, tarSize } = held.mount
    const digest = await copied(writer, held, leftOutAs(id, status))
    if (digest !== undefined) out.set(key, { key, id, mode, uid, gid, digest, diffID, tarSize })
  }
  return [...out.values()]
}

/** @returns the digest of the blob in the cache that is written */
async function copied(
  writer: CacheWriter,
  { source, mount }: HeldMount,
  leftOut: (why: string) => void,
): Promise<string | undefined> {
  try {
    return (await writer.copy(source, mount.blob)).digest
  } catch (err) {
    if (!(err instanceof TsboxError) || isOurs(err)) throw err
    leftOut(err.message)
    return undefined
  }
}

function leftOutAs(id: string, status: (text: string) => void): (why: string) => void {
  return (why) => status(`cache mount ${id} left out: ${why}`)
}

async function mountsFor(
  { shop }: ExportDeps,
  used: readonly MountUse[],
  wanted: true | readonly string[],
): Promise<StoredMount[]> {
  const own = await shop.mode()
  const asked = ({ about }: StoredMount) =>
    about !== undefined &&
    (wanted === true
      ? used.some((u) => u.id === about.id && u.mode === about.mode && u.uid === about.uid && u.gid === about.gid)
      : wanted.includes(about.id))
  const found = shop.store.mounts.list().filter((m) => asked(m) && isFirst(m))
  return [...found.filter((m) => m.idMode === own), ...found.filter((m) => m.idMode !== own)]
}

/** A private mount has a row of folders, of which the first is the one that every build has. */
function isFirst({ name }: StoredMount): boolean {
  return /^[a-z]+-[0-9a-f]+$/.test(name)
}

async function exportMount(
  deps: ExportDeps,
  writer: CacheWriter,
  mount: StoredMount,
  limitBytes: number,
  status: (text: string) => void,
): Promise<CachedMount | undefined> {
  const { shop, layers } = deps
  const about = mount.about!
  const leftOut = leftOutAs(about.id, status)
  const shared = shop.store.mounts.tryShare(mount)
  if (!shared) {
    leftOut('another build has it for itself')
    return undefined
  }
  const temp = shop.lease.tempPath('mount')
  try {
    const agent = await shop.agentFor(mount.idMode as 'subid' | 'single')
    const root = await mountRoot(agent, shared.dir, 'fs')
    if (!root) return undefined
    const key = await mountKey(about, async (layer) => (await layers.seal(layer, undefined)).diffID)
    const spool = new Spool(temp, limitBytes)
    const { diffID, tarSize } = await spool.fill((write) => writeMountTar(agent, `${shared.dir}/fs`, write))
    const blob = (await writer.known(diffID)) ?? (await writer.put(readChunks(temp)))
    status(`cache mount ${about.id}: ${tarSize} bytes`)
    const { mode, uid, gid } = root
    return { key, id: about.id, mode, uid, gid, digest: blob.digest, diffID, tarSize }
  } catch (err) {
    if (deps.signal.aborted || isOurs(err)) throw err
    leftOut(err instanceof Error ? err.message : String(err))
    return undefined
  } finally {
    shared.release()
    rmSync(temp, { force: true })
  }
}

/** A step of another build may write to the mount while it is read: that fails the reading, and nothing else. */
function isOurs(err: unknown): boolean {
  return err instanceof TsboxError && ['E_DISK_FULL', 'E_STORE_UNWRITABLE', 'E_CACHE_TARGET'].includes(err.code)
}

/** A tar on disk: only once it is whole is it known whether the cache has it already. */
class Spool {
  readonly #path: string
  readonly #limit: number

  constructor(path: string, limitBytes: number) {
    this.#path = path
    this.#limit = limitBytes
  }

  async fill(
    make: (write: (chunk: Uint8Array) => void) => Promise<void>,
  ): Promise<{ diffID: string; tarSize: number }> {
    const hash = contentSha256()
    let tarSize = 0
    const fd = withStorageErrors('write cache mount', this.#path, () => openSync(this.#path, 'wx', 0o600))
    try {
      await make((chunk) => {
        tarSize += chunk.length
        if (tarSize > this.#limit)
          throw new TsboxError('E_CACHE_MOUNT_SIZE', `it is larger than ${this.#limit} bytes`, {
            hint: 'raise mounts-limit=SIZE',
          })
        hash.update(chunk)
        withStorageErrors('write cache mount', this.#path, () => writeAll(fd, chunk))
      })
    } finally {
      closeSync(fd)
    }
    return { diffID: `sha256:${hash.hex()}`, tarSize }
  }
}
