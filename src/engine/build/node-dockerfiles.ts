import { TsboxError } from '../../base/error.js'
import { checkOptions, type LintContext, type LintImage, lint } from '../../build/dockerfile/checks/lint.js'
import { type Outline, outline } from '../../build/dockerfile/checks/outline.js'
import { speaks } from '../../build/dockerfile/checks/reporter.js'
import type { Dockerfile } from '../../build/dockerfile/instruction.js'
import { parseDockerfile } from '../../build/dockerfile/parse.js'
import { lintImage, NO_IMAGE } from '../../build/lint-image.js'
import { type Platform, parsePlatform } from '../../oci/platform.js'
import type {
  DockerfileAnswer,
  DockerfileCheck,
  DockerfileEngine,
  DockerfileRequest,
  DockerfileTarget,
} from '../api.js'
import { findImage, readImage } from '../images/stored-image.js'
import { buildArgs, type DockerfileSource } from './build-request.js'
import { type ContextDeps, Contexts } from './contexts.js'

/** Answers about Dockerfiles from their text and the store's images. */
export class NodeDockerfiles implements DockerfileEngine {
  readonly #deps: ContextDeps
  readonly #platform: Platform

  /** @param platform the machine's */
  constructor(deps: ContextDeps, platform: Platform) {
    this.#deps = deps
    this.#platform = platform
  }

  async check(request: DockerfileRequest): Promise<DockerfileCheck> {
    const { source, contexts } = await this.#read(request)
    try {
      const file = this.#parsed(request, source)
      const context = this.#context(request, contexts)
      const options = checkOptions(file, context.buildArgs)
      const ignorePatterns = speaks('CopyIgnoredFile', options) ? contexts.ignorePatterns() : undefined
      return { source, ...lint(file, { ...context, options, ignorePatterns }) }
    } catch (err) {
      if (!(err instanceof TsboxError) || err.code !== 'E_DOCKERFILE') throw err
      return { source, warnings: [], error: err }
    }
  }

  async outline(request: DockerfileRequest): Promise<Outline & DockerfileAnswer> {
    const { source, contexts } = await this.#read(request)
    return { source, ...outline(this.#parsed(request, source), this.#context(request, contexts)) }
  }

  async targets(request: DockerfileRequest): Promise<{ targets: DockerfileTarget[] } & DockerfileAnswer> {
    const { source } = await this.#read(request)
    const { stages } = this.#parsed(request, source)
    const targets = stages.map(({ name, doc, base, platform, location }, i) => {
      return { name, default: i === stages.length - 1, description: doc, base, platform, location }
    })
    return { source, targets }
  }

  #parsed(request: DockerfileRequest, source: DockerfileSource): Dockerfile {
    return parseDockerfile(source.text, { ...source, syntax: buildArgs(request, this.#deps.env).BUILDKIT_SYNTAX })
  }

  async #read(request: DockerfileRequest): Promise<{ source: DockerfileSource; contexts: Contexts }> {
    const contexts = new Contexts(this.#deps, request)
    try {
      if (contexts.isRemote) await contexts.load()
      return { source: await contexts.dockerfile(), contexts }
    } finally {
      await contexts.close()
    }
  }

  #context(request: DockerfileRequest, contexts: Contexts): LintContext {
    const platform = request.platform ? parsePlatform(request.platform, this.#platform) : this.#platform
    return {
      buildArgs: buildArgs(request, this.#deps.env),
      target: request.target,
      platform,
      buildPlatform: this.#platform,
      image: (base) => this.#image(base, contexts),
    }
  }

  #image(base: string, contexts: Contexts): LintImage | undefined {
    const named = contexts.named(base)
    if (!named) return this.#stored(base)
    if (named.kind === 'files') return NO_IMAGE
    const image = named.kind === 'image' ? this.#stored(named.reference) : undefined
    // Who names an image by hand means that one, whatever its platform.
    return image && { ...image, platform: undefined }
  }

  /** What is not in the store, or is damaged there, is not known: checks are no reason to fail over it. */
  #stored(reference: string): LintImage | undefined {
    try {
      const { store } = this.#deps.shop
      return lintImage(readImage(store, undefined, findImage(store, reference)).config)
    } catch (err) {
      if (err instanceof TsboxError) return undefined
      throw err
    }
  }
}
