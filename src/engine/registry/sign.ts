import { TsboxError } from '../../base/error.js'
import type { Reference } from '../../oci/reference.js'
import type { Repository } from '../../registry/repository.js'
import { resolveReference } from '../../registry/resolve.js'
import { resolveShortName } from '../../registry/short-name.js'
import { publicKey, signedDigest, signImage, signingKey } from '../../registry/sign.js'
import type { SignRequest, VerifySignatureRequest } from '../api/registry.js'
import type { RegistryDeps } from './deps.js'

/** An image of a registry, and what its name stands for there now. */
async function find(
  deps: RegistryDeps,
  text: string,
  signal: AbortSignal,
): Promise<{ reference: Reference; digest: string; repository: Repository }> {
  const registry = await deps.registry()
  const reference = resolveShortName(registry.endpoints, text)
  const repository = registry.repositories(reference, 'push')[0]!
  const { root } = await resolveReference([repository], reference, signal)
  return { reference, digest: root.digest, repository }
}

/** Signs what a name stands for in its registry. @returns the digest that was signed @throws TsboxError */
export async function signNamed(deps: RegistryDeps, request: SignRequest): Promise<string> {
  const key = signingKey(request.key.pem, request.key.passphrase, request.key.file)
  const { reference, digest, repository } = await find(deps, request.reference, request.signal)
  await signImage(repository, { name: reference.repository, digest }, key, request.annotations, request.signal)
  return digest
}

/** @returns the digest that is signed by one of the keys @throws TsboxError E_SIGNATURE */
export async function verifyNamed(deps: RegistryDeps, request: VerifySignatureRequest): Promise<string> {
  const keys = request.keys.map(({ pem, file }) => publicKey(pem, file))
  const { reference, digest, repository } = await find(deps, request.reference, request.signal)
  const signed = await signedDigest(repository, reference, [digest], keys, request.signal)
  if (signed !== undefined) return signed
  throw new TsboxError('E_SIGNATURE', `verify signature: none of ${digest} is by the key: "${reference}"`, {
    hint: `sign it with tsbox image sign --key KEY ${request.reference}, or give the public key of who signed it`,
  })
}
