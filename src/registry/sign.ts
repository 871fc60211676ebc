import { createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto'
import { TsboxError } from '../base/error.js'
import { digestHex, digestOf } from '../oci/digest.js'
import { type Descriptor, type ImageManifest, isIndex, sortedByName } from '../oci/manifest.js'
import { MEDIA } from '../oci/media-type.js'
import type { Reference } from '../oci/reference.js'
import { nodeSha256 } from '../util/hash.js'
import { pushBlob } from './push-blob.js'
import type { Repository } from './repository.js'
import { fetchDocument } from './resolve.js'
import { isSigned, PAYLOAD_TYPE, SIGNATURE } from './signature.js'

const MAX_CONFIG_BYTES = 1 << 20

/** Where the signatures of a manifest lie. @see sigstore/cosign/specs/SIGNATURE_SPEC.md, "Signature Storage" */
export function signatureTag(digest: string): string {
  return `sha256-${digestHex(digest)}.sig`
}

/**
 * Reads a private key.
 *
 * @param pem PKCS#8, SEC1 or PKCS#1; EC, Ed25519 or RSA
 * @param passphrase of an encrypted one
 * @throws TsboxError E_SIGNING_KEY
 */
export function signingKey(pem: string, passphrase: string | undefined, file: string): KeyObject {
  if (/ENCRYPTED (SIGSTORE|COSIGN) PRIVATE KEY/.test(pem))
    throw new TsboxError('E_SIGNING_KEY', `read key: it is encrypted as cosign does it: "${file}"`, {
      hint: 'cosign import-key-pair takes a PEM key; make one with: openssl ecparam -genkey -noout -name prime256v1 | openssl pkcs8 -topk8 -nocrypt -out key.pem',
    })
  try {
    return createPrivateKey(passphrase === undefined ? pem : { key: pem, passphrase })
  } catch (cause) {
    const encrypted = /ENCRYPTED/.test(pem)
    throw new TsboxError(
      'E_SIGNING_KEY',
      `read key: ${encrypted ? 'its passphrase is missing or wrong' : 'it is no private key in PEM'}: "${file}"`,
      {
        hint: encrypted
          ? 'put the passphrase into COSIGN_PASSWORD'
          : 'openssl pkcs8 -topk8 -nocrypt makes one of most keys',
        cause,
      },
    )
  }
}

/** A public key in PEM, of a public or a private one. @throws TsboxError E_SIGNING_KEY */
export function publicKey(pem: string, file: string): string {
  try {
    return createPublicKey(pem).export({ type: 'spki', format: 'pem' }).toString()
  } catch (cause) {
    throw new TsboxError('E_SIGNING_KEY', `read key: it is no public key in PEM: "${file}"`, { cause })
  }
}

/**
 * Signs a manifest and puts the signature beside it; signatures that are there stay.
 *
 * @param name of the repository, without a tag
 * @param annotations what else is signed
 * @throws TsboxError those of registries
 * @see sigstore/cosign/specs/SIGNATURE_SPEC.md
 */
export async function signImage(
  repository: Repository,
  image: { name: string; digest: string },
  key: KeyObject,
  annotations: Readonly<Record<string, string>>,
  signal?: AbortSignal,
): Promise<void> {
  const payload = Buffer.from(payloadOf(image, annotations))
  const hash = key.asymmetricKeyType === 'ed25519' ? undefined : 'sha256'
  const signature = sign(hash, payload, key).toString('base64')
  const layer: Descriptor = {
    mediaType: PAYLOAD_TYPE,
    digest: digestOf(nodeSha256, payload),
    size: payload.length,
    annotations: { [SIGNATURE]: signature },
  }
  const tag = signatureTag(image.digest)
  const before = await existing(repository, tag, signal)
  const layers = [...before, layer]
  const config = Buffer.from(configOf(layers))
  const configBlob: Descriptor = { mediaType: MEDIA.config, digest: digestOf(nodeSha256, config), size: config.length }
  await put(repository, layer, payload, signal)
  await put(repository, configBlob, config, signal)
  const manifest = { schemaVersion: 2, mediaType: MEDIA.manifest, config: configBlob, layers }
  const bytes = Buffer.from(JSON.stringify(manifest))
  await repository.putManifest(tag, { bytes, digest: digestOf(nodeSha256, bytes), mediaType: MEDIA.manifest }, signal)
}

function payloadOf(
  { name, digest }: { name: string; digest: string },
  annotations: Readonly<Record<string, string>>,
): string {
  return JSON.stringify({
    critical: {
      identity: { 'docker-reference': name },
      image: { 'docker-manifest-digest': digest },
      type: 'cosign container image signature',
    },
    optional: Object.keys(annotations).length > 0 ? sortedByName(annotations) : null,
  })
}

/** As cosign has it: an image of no platform whose layers are the payloads. */
function configOf(layers: readonly Descriptor[]): string {
  const rootfs = { type: 'layers', diff_ids: layers.map((l) => l.digest) }
  return JSON.stringify({
    architecture: '',
    created: '0001-01-01T00:00:00Z',
    history: [{ created: '0001-01-01T00:00:00Z' }],
    os: '',
    rootfs,
    config: {},
  })
}

async function existing(repository: Repository, tag: string, signal: AbortSignal | undefined): Promise<Descriptor[]> {
  if (!(await repository.head(tag, signal))) return []
  const { document } = await repository.manifest(tag, signal)
  if (isIndex(document)) return []
  // What can't be read any more would break the whole list of signatures.
  await fetchDocument([repository], (document as ImageManifest).config, MAX_CONFIG_BYTES, 'signature', signal)
  return [...document.layers]
}

async function put(
  repository: Repository,
  blob: Descriptor,
  bytes: Uint8Array,
  signal: AbortSignal | undefined,
): Promise<void> {
  const open = async function* (offset: number) {
    yield bytes.subarray(offset)
  }
  await pushBlob(repository, { blob, open, mountFrom: [] }, () => undefined, signal)
}

/**
 * Whether one of the keys has signed one of the digests for the repository.
 *
 * @param keys public keys in PEM
 * @returns the digest that is signed
 */
export async function signedDigest(
  repository: Repository,
  reference: Reference,
  digests: readonly string[],
  keys: readonly string[],
  signal?: AbortSignal,
): Promise<string | undefined> {
  const requirement = {
    type: 'sigstoreSigned' as const,
    keys: [...keys],
    identity: { type: 'matchRepository' as const },
  }
  for (const digest of new Set(digests))
    if (await isSigned(requirement, repository, reference, digest, signal)) return digest
  return undefined
}
