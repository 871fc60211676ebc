import { createPublicKey, verify } from 'node:crypto'
import { TsboxError } from '../base/error.js'
import { digestHex, digestOf } from '../oci/digest.js'
import { isIndex } from '../oci/manifest.js'
import { parseNamed, type Reference } from '../oci/reference.js'
import { nodeSha256 } from '../util/hash.js'
import type { Policy, Requirement, SignedRequirement } from './config/policy.js'
import { readBody } from './http/answer.js'
import type { Repository } from './repository.js'

export const PAYLOAD_TYPE = 'application/vnd.dev.cosign.simplesigning.v1+json'
export const SIGNATURE = 'dev.cosignproject.cosign/signature'
const MAX_PAYLOAD_BYTES = 1 << 20

/**
 * Lets an image pass that the policy lets pass.
 *
 * @param digests of its manifest, and of the index that led to it: a signature of either will do
 * @throws TsboxError E_POLICY
 */
export async function enforcePolicy(
  policy: Policy,
  repository: Repository,
  reference: Reference,
  digests: readonly string[],
  signal?: AbortSignal,
): Promise<void> {
  for (const requirement of policy.requirementsFor(reference)) {
    const why = await unfulfilled(requirement, repository, reference, digests, signal)
    if (why === undefined) continue
    throw new TsboxError('E_POLICY', `pull image: ${why}: "${reference}"`, { hint: `the policy is in ${policy.file}` })
  }
}

async function unfulfilled(
  requirement: Requirement,
  repository: Repository,
  reference: Reference,
  digests: readonly string[],
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  if (requirement.type === 'accept') return undefined
  if (requirement.type === 'reject') return 'the policy rejects it'
  if (requirement.type === 'unsupported') return `the policy asks for "${requirement.name}", which can't be checked`
  for (const digest of new Set(digests))
    if (await isSigned(requirement, repository, reference, digest, signal)) return undefined
  return 'it has no signature by a key that the policy names'
}

/** Looks at the signatures that lie beside an image. @see sigstore/cosign/specs/SIGNATURE_SPEC.md */
export async function isSigned(
  requirement: SignedRequirement,
  repository: Repository,
  reference: Reference,
  digest: string,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const tag = `sha256-${digestHex(digest)}.sig`
  if (!(await repository.head(tag, signal))) return false
  const { document } = await repository.manifest(tag, signal)
  if (isIndex(document)) return false
  for (const layer of document.layers) {
    const signature = layer.annotations?.[SIGNATURE]
    if (layer.mediaType !== PAYLOAD_TYPE || signature === undefined || layer.size > MAX_PAYLOAD_BYTES) continue
    const answer = await repository.blob(layer.digest, 0, signal)
    const payload = await readBody(answer, MAX_PAYLOAD_BYTES, 'signature')
    if (answer.status !== 200 || digestOf(nodeSha256, payload) !== layer.digest) continue
    if (!requirement.keys.some((key) => isBy(key, payload, signature))) continue
    if (isFor(payload, digest, reference, requirement.identity)) return true
  }
  return false
}

function isBy(key: string, payload: Uint8Array, signature: string): boolean {
  const publicKey = createPublicKey(key)
  const hash = publicKey.asymmetricKeyType === 'ed25519' ? undefined : 'sha256'
  return verify(hash, payload, publicKey, Buffer.from(signature, 'base64'))
}

/** Whether a signed text is about this image under this name. */
function isFor(
  payload: Uint8Array,
  digest: string,
  reference: Reference,
  identity: SignedRequirement['identity'],
): boolean {
  let critical: { type?: unknown; image?: Record<string, unknown>; identity?: Record<string, unknown> } | undefined
  try {
    critical = (JSON.parse(Buffer.from(payload).toString()) as { critical?: typeof critical }).critical
  } catch {
    return false
  }
  if (critical?.type !== 'cosign container image signature') return false
  if (critical.image?.['docker-manifest-digest'] !== digest) return false
  const signed = critical.identity?.['docker-reference']
  return typeof signed === 'string' && namesMatch(signed, reference, identity)
}

function namesMatch(text: string, reference: Reference, identity: SignedRequirement['identity']): boolean {
  let signed: Reference
  try {
    signed = parseNamed(text)
  } catch {
    return false
  }
  if (identity.type === 'exact') {
    const wanted = parseNamed(identity.name)
    return wanted.tag === undefined ? signed.repository === wanted.repository : signed.toString() === wanted.toString()
  }
  const same = signed.repository === reference.repository
  if (identity.type === 'matchRepository') return same
  // Cosign signs for a repository, without a tag: that is no exact name, but no other image's either.
  const exact = same && (signed.tag === undefined || signed.tag === reference.tag)
  return identity.type === 'matchExact' ? exact : exact || (same && reference.digest !== undefined)
}
