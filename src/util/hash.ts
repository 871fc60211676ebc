import { createHash } from 'node:crypto'
import type { Hasher, Sha256 } from '../base/hash.js'

/** SHA-256 by Node. */
export const nodeSha256: Sha256 = () => {
  const hash = createHash('sha256')
  const hasher: Hasher = {
    update(data) {
      hash.update(data)
      return hasher
    },
    hex: () => hash.digest('hex'),
  }
  return hasher
}
