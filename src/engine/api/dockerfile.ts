/** What is asked of a Dockerfile without building it. */
import type { TsboxError } from '../../base/error.js'
import type { LineRange } from '../../build/dockerfile/ast.js'
import type { Outline } from '../../build/dockerfile/checks/outline.js'
import type { LintWarning } from '../../build/dockerfile/checks/reporter.js'
import type { BuildRequest } from './build.js'

/** A Dockerfile and what decides what it means. */
export type DockerfileRequest = Pick<
  BuildRequest,
  | 'context'
  | 'contextStream'
  | 'file'
  | 'dockerfileText'
  | 'buildArgs'
  | 'target'
  | 'platform'
  | 'namedContexts'
  | 'secrets'
  | 'ssh'
  | 'signal'
>

/** The Dockerfile that was read, under the name that messages show. */
export interface DockerfileAnswer {
  source: { file: string; text: string }
}

export interface DockerfileCheck extends DockerfileAnswer {
  /** In the order of lines. */
  warnings: LintWarning[]
  /** What would fail the build before its first step, warnings that shall be errors among it. */
  error: TsboxError | undefined
}

/** A stage that can be built. */
export interface DockerfileTarget {
  /** `''` where it has none. */
  name: string
  /** The last stage, built without `--target`. */
  default: boolean
  description: string
  /** As written. */
  base: string
  platform: string
  location: LineRange
}

/**
 * Reads Dockerfiles and builds nothing. Of the context only the Dockerfile and `.dockerignore` are looked at; base
 * images are known as far as they are in the store.
 */
export interface DockerfileEngine {
  /** Without a target all stages are checked. A Dockerfile that can't be read is the answer's error, too. */
  check(request: DockerfileRequest): Promise<DockerfileCheck>
  /** What can be given to the build of the target. @throws TsboxError E_DOCKERFILE */
  outline(request: DockerfileRequest): Promise<Outline & DockerfileAnswer>
  /** In the order of the file. @throws TsboxError E_DOCKERFILE */
  targets(request: DockerfileRequest): Promise<{ targets: DockerfileTarget[] } & DockerfileAnswer>
}
