import { compareNames } from '../../base/bytes.js'
import { TsboxError } from '../../base/error.js'
import type { ProgressSink } from '../../build/progress/event.js'
import { parsePlatform } from '../../oci/platform.js'
import { parseNamed, Reference } from '../../oci/reference.js'
import { resolveShortName } from '../../registry/short-name.js'
import type {
  CopyRequest,
  FoundImage,
  LoginOutcome,
  LoginRequest,
  PulledImage,
  PullRequest,
  PushedImage,
  PushRequest,
  RegistryEngine,
  SignRequest,
  VerifySignatureRequest,
} from '../api/registry.js'
import type { CopyPlace } from '../copy/place.js'
import type { RegistryDeps } from './deps.js'
import { bringImage, findRemote, storedName, type WantedImage } from './pull-image.js'
import { type Stepper, stepper } from './steps.js'

/** The engine's work with registries. Each use case loads its own code. */
export class NodeRegistry implements RegistryEngine {
  readonly #deps: RegistryDeps

  constructor(deps: RegistryDeps) {
    this.#deps = deps
  }

  async pull(request: PullRequest, progress: ProgressSink): Promise<PulledImage[]> {
    const step = stepper(progress)
    const out: PulledImage[] = []
    for (const reference of await this.#wanted(request)) {
      const wanted = { reference, ...platformOf(this.#deps, request.platform) }
      out.push(await pullNamed(this.#deps, wanted, step, request.signal))
    }
    return out
  }

  async push(request: PushRequest, progress: ProgressSink): Promise<PushedImage[]> {
    return (await import('./push-named.js')).pushNamed(this.#deps, request, stepper(progress))
  }

  async login(request: LoginRequest): Promise<LoginOutcome> {
    return (await import('./login.js')).login(this.#deps, request)
  }

  async logout(registry: string | undefined): Promise<string[]> {
    return (await import('./login.js')).logout(this.#deps, registry)
  }

  async storedUser(registry: string | undefined): Promise<string | undefined> {
    return (await import('./login.js')).storedUser(this.#deps, registry)
  }

  async copy(request: CopyRequest, progress: ProgressSink): Promise<string> {
    const [{ copyImage }, { parsePlace }] = await Promise.all([import('../copy/copy.js'), import('../copy/place.js')])
    const [from, to] = [request.from, request.to].map((text) => parsePlace(text, request.resolve)) as [
      CopyPlace,
      CopyPlace,
    ]
    const { all, signal } = request
    const job = { from, to, all, signal, platform: platformOf(this.#deps, request.platform).platform }
    return stepper(progress)(`copy ${request.from} to ${request.to}`, (transfers) =>
      copyImage(this.#deps, job, transfers),
    )
  }

  async sign(request: SignRequest): Promise<string> {
    return (await import('./sign.js')).signNamed(this.#deps, request)
  }

  async verifySignature(request: VerifySignatureRequest): Promise<string> {
    return (await import('./sign.js')).verifyNamed(this.#deps, request)
  }

  async search(term: string, limit: number, signal: AbortSignal): Promise<FoundImage[]> {
    return (await import('./search.js')).searchImages(await this.#deps.registry(), term, limit, signal)
  }

  async #wanted({ reference: text, allTags, signal }: PullRequest): Promise<Reference[]> {
    const registry = await this.#deps.registry()
    const reference = resolveShortName(registry.endpoints, text)
    if (!allTags) return [reference]
    if (parseNamed(text).tag !== undefined || reference.digest !== undefined)
      throw new TsboxError('E_REFERENCE_INVALID', `pull images: a tag can't be used with --all-tags: "${text}"`)
    const places = registry.repositories(reference, 'pull')
    const { firstOf } = await import('../../registry/resolve.js')
    const tags = await firstOf(places, (place) => place.tags(signal), signal)
    const { domain, path } = reference
    // Signatures and attestations lie under tags that name no image.
    return tags
      .sort(compareNames)
      .filter((tag) => !/^sha256-[0-9a-f]{64}(\.\w+)?$/.test(tag))
      .map((tag) => new Reference({ domain, path, tag }))
  }
}

/** The platform that is asked for, else this machine's. */
export function platformOf(
  { platform, env }: Pick<RegistryDeps, 'platform' | 'env'>,
  given: string | undefined,
): Pick<WantedImage, 'platform' | 'isAsked'> {
  const text = given ?? (env.DOCKER_DEFAULT_PLATFORM || undefined)
  return { platform: text === undefined ? platform : parsePlatform(text, platform), isAsked: text !== undefined }
}

function hasTag({ store }: RegistryDeps, { repository }: Reference, digest: string): boolean {
  const ofRepository = store.images.list().filter((r) => r.name?.startsWith(`${repository}:`))
  return ofRepository.some((r) => r.manifest.digest === digest || r.index === digest)
}

/** Pulls one image and gives it its name. @throws TsboxError */
export async function pullNamed(
  deps: RegistryDeps,
  wanted: WantedImage,
  step: Stepper,
  signal: AbortSignal,
): Promise<PulledImage> {
  const { store, lease, now } = deps
  const { reference } = wanted
  const name = storedName(reference)
  const before = store.images.get(name)
  const image = await findRemote(await deps.registry(), wanted, signal)
  const { digest } = image.root
  const target = await step(`pull ${reference}`, (transfers) => {
    transfers.status(`resolve ${reference}${reference.digest ? '' : `@${digest}`}`)
    return bringImage(deps, image, transfers, signal)
  })
  // What has a tag already needs no second line in the list of images.
  const tagged = reference.digest !== undefined && hasTag(deps, reference, target.manifest.digest)
  if (!tagged) store.images.set(name, target, lease, now())
  const isNew = before?.manifest.digest !== target.manifest.digest
  return { name, familiar: reference.familiar, digest, imageID: target.config, isNew }
}
