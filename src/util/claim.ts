import { readlinkSync, symlinkSync } from 'node:fs'
import { dirname } from 'node:path'
import { errnoCode } from '../base/error.js'
import { formatIdentity, isAlive, parseIdentity, selfIdentity } from './identity.js'
import { makeDirs } from './make-dir.js'
import { randomId } from './random.js'
import { sleepSync } from './sleep.js'
import { unlinkIfThere } from './unlink.js'

/**
 * A claim is a name that one process holds. It is a symlink that points nowhere: made exclusively and with its content
 * in one call, so that nobody ever sees one that is half written. Its text names the holder; a dead holder's claim is
 * replaced.
 */
export interface Claim {
  readonly path: string
  /** Gives it back. Idempotent. */
  release(): void
}

/**
 * @returns undefined where a live process has it (this one too: claims don't nest)
 * @throws system errors of the folder that can't be written
 */
export function tryClaim(path: string): Claim | undefined {
  const text = `${formatIdentity(selfIdentity())}-${randomId()}`
  for (;;) {
    if (createClaim(path, text)) return { path, release: () => releaseClaim(path, text) }
    const held = readClaim(path)
    if (held === undefined) continue
    if (holderLives(held)) return undefined
    removeStale(path, held)
  }
}

/** As {@link tryClaim}, blocking the thread until it is ours: for claims that are held without a pause. */
export function claimNow(path: string): Claim {
  for (;;) {
    const claim = tryClaim(path)
    if (claim) return claim
    sleepSync(5)
  }
}

/** Text of the claim while a live process holds it. */
export function liveClaim(path: string): string | undefined {
  const held = readClaim(path)
  return held !== undefined && holderLives(held) ? held : undefined
}

/** Blocks the thread until no live process holds `path`. */
export function waitForClaim(path: string): void {
  for (let ms = 1; liveClaim(path) !== undefined; ms = Math.min(ms * 2, 50)) sleepSync(ms)
}

function createClaim(path: string, text: string): boolean {
  for (;;) {
    try {
      symlinkSync(text, path)
      return true
    } catch (err) {
      if (errnoCode(err) === 'EEXIST') return false
      if (errnoCode(err) !== 'ENOENT') throw err
      makeDirs(dirname(path), 0o700)
    }
  }
}

function readClaim(path: string): string | undefined {
  try {
    return readlinkSync(path)
  } catch (err) {
    // EINVAL: not ours, a plain file; as good as a dead holder's.
    if (errnoCode(err) === 'EINVAL') return ''
    if (errnoCode(err) === 'ENOENT') return undefined
    throw err
  }
}

function holderLives(text: string): boolean {
  const holder = parseIdentity(text)
  return holder !== undefined && isAlive(holder)
}

function releaseClaim(path: string, text: string): void {
  if (readClaim(path) === text) unlinkIfThere(path)
}

/**
 * Two processes may see the same dead claim; one of them could remove it, claim the name, and lose it to the other's
 * late removal. So removing one needs a claim of its own, whose name holds the dead claim's text: only the winner
 * removes, and only if the text is still that one. A winner that dies here leaves a claim that is removed the same way.
 */
function removeStale(path: string, text: string): void {
  const right = `${path}.${text.slice(-16)}`
  if (!createClaim(right, `${formatIdentity(selfIdentity())}-${randomId()}`)) {
    const held = readClaim(right)
    if (held !== undefined && !holderLives(held)) removeStale(right, held)
    else sleepSync(1)
    return
  }
  if (readClaim(path) === text) unlinkIfThere(path)
  unlinkIfThere(right)
}
