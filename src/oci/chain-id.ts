import { TsboxError } from '../base/error.js'
import type { Sha256 } from '../base/hash.js'
import { type Digest, digestOf, parseDiffID } from './digest.js'

/**
 * Key of the root file system that results from stacking layers.
 *
 * @param diffIDs base first, non-empty
 * @throws TsboxError E_NO_LAYERS, E_DIGEST_INVALID
 * @see OCI image-spec 1.1, config.md, "Layer ChainID"
 */
export function chainID(sha256: Sha256, diffIDs: readonly string[]): Digest {
  const [base, ...rest] = diffIDs.map(parseDiffID) as string[]
  if (base === undefined) throw new TsboxError('E_NO_LAYERS', 'compute chain id: there are no layers')
  return rest.reduce((parent, diffID) => digestOf(sha256, `${parent} ${diffID}`), base) as Digest
}
