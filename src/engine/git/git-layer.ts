import { compareNames } from '../../base/bytes.js'
import { TsboxError } from '../../base/error.js'
import { resolveInTree } from '../../build/ops/resolve.js'
import type { Layer, LayerWriter } from '../../build/seams.js'
import { Turn } from '../../util/turn.js'
import { namesIn, readScanned, scanFile } from '../context/dir-files.js'

/** Which part of a checkout is taken. */
export interface CheckoutPart {
  /** Relative, cleaned; links in it are followed inside the checkout only. */
  subdir: string
  keepGitDir: boolean
  /** Seconds since 1970 that all files get: those of the checkout tell when it was fetched, and differ each time. */
  mtime: number
}

/**
 * Writes a checkout as a layer. Modes are those that git gives under the usual umask, whatever this user's is.
 *
 * @throws TsboxError E_GIT_SUBDIR
 */
export async function writeCheckout(dir: string, part: CheckoutPart, writer: LayerWriter): Promise<Layer> {
  const buffer = new Uint8Array(1 << 20)
  const turn = new Turn()
  const root = subdirOf(dir, part.subdir)
  const visit = async (path: string): Promise<void> => {
    for (const name of namesIn(root, path).sort(compareNames)) {
      // No repository has a path with that name: it is git's own, also in a submodule.
      if (name === '.git' && !part.keepGitDir) continue
      const file = scanFile(root, path === '' ? name : `${path}/${name}`)
      if (!file) continue
      const { entry } = file
      writer.entry({ ...entry, mode: usualMode(entry.mode), mtime: part.mtime })
      if (entry.type === 'file') for (const chunk of readScanned(root, file, buffer)) writer.data(chunk)
      if (turn.over) await turn.rest()
      if (entry.type === 'dir') await visit(entry.path)
    }
  }
  try {
    await visit('')
    return await writer.commit()
  } finally {
    writer.abort()
  }
}

function subdirOf(dir: string, subdir: string): string {
  const lookup = { lstat: (path: string) => scanFile(dir, path)?.entry }
  const real = resolveInTree(lookup, subdir)
  const type = real === '.git' || real.startsWith('.git/') ? undefined : lookup.lstat(real)?.type
  if (type === 'dir') return real === '' ? dir : `${dir}/${real}`
  throw new TsboxError(
    'E_GIT_SUBDIR',
    `subdirectory of git repository: ${type === undefined ? 'no such directory' : 'not a directory'} "${subdir}"`,
    { hint: 'it is a path within the repository, at the ref that is named before it' },
  )
}

/** What the owner may, all may, except write. */
function usualMode(mode: number): number {
  const owner = (mode >> 6) & 7
  return (owner << 6) | ((owner & 5) << 3) | (owner & 5)
}
