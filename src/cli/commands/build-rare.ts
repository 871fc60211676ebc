import type { BuildOutput, BuildRequest } from '../../engine/api.js'
import { UsageError } from '../usage-error.js'
import { wrong } from './build-options.js'
import { limitsOf } from './limits-given.js'

/** Options that few builds have: what reads them is loaded where they are given. */
export interface RareValues {
  readonly allow: readonly string[]
  readonly annotation: readonly string[]
  readonly attest: readonly string[]
  readonly load: boolean
  readonly output: readonly string[]
  readonly platform: readonly string[]
  readonly push: boolean
  readonly provenance: string | undefined
  readonly sbom: string | undefined
  readonly 'shm-size': string | undefined
  readonly ulimit: readonly string[]
}

/** What they ask for. */
export type RareRequest = Pick<BuildRequest, 'platform' | 'shmSizeBytes' | 'ulimits'> & { outputs: BuildOutput[] }

/** What they are read with. */
export interface RareContext {
  env: Readonly<Record<string, string | undefined>>
  resolve: (path: string) => string
  /** Whether standard output is a terminal. */
  terminal: boolean
}

/** @throws {UsageError} for what can't be honoured */
export async function rareOptions(values: RareValues, context: RareContext): Promise<RareRequest> {
  const { provenance, sbom } = values
  if (provenance !== undefined || sbom !== undefined || values.attest.length || values.allow.length) {
    const { checkAllow, checkAttest } = await import('./build-grants.js')
    checkAttest(values)
    checkAllow(values.allow)
  }
  return {
    outputs: await outputsOf(values, context),
    platform: platformOf(values.platform, context.env.DOCKER_DEFAULT_PLATFORM),
    ...(await limitsOf(values)),
  }
}

async function outputsOf(values: RareValues, { resolve, terminal }: RareContext): Promise<BuildOutput[]> {
  const { annotation, output, load, push } = values
  if (!output.length && !annotation.length && !push) return []
  const { isImageOutput, parseOutputs } = await import('./build-output.js')
  const parsed = parseOutputs(output.length ? output : ['type=image'], load, resolve, terminal)
  const outputs = push ? pushed(parsed) : parsed
  if (!annotation.length) return outputs
  const { parseAnnotation } = await import('./build-annotation.js')
  const given = annotation.flatMap(parseAnnotation)
  if (!outputs.some(isImageOutput)) throw wrong('annotation', annotation[0]!, 'no output has a manifest')
  if (outputs.some((o) => o.mediaTypes === 'docker'))
    throw wrong('annotation', annotation[0]!, "docker's manifests have no annotations: leave out oci-mediatypes=false")
  return outputs.map((o) => (isImageOutput(o) ? { ...o, annotations: [...given, ...(o.annotations ?? [])] } : o))
}

/** `--push`: images that go to the store go to their registries too; where none does, one more output. */
function pushed(outputs: readonly BuildOutput[]): BuildOutput[] {
  const push = { byDigest: false }
  const all = outputs.map((o) => (o.type === 'image' && !o.push ? { ...o, push } : o))
  return all.some((o) => o.push)
    ? all
    : [...all, { type: 'image', tar: true, names: [], dest: undefined, store: false, push }]
}

/** One platform; DOCKER_DEFAULT_PLATFORM where none is given. */
function platformOf(given: readonly string[], byDefault: string | undefined): string | undefined {
  const all = [...new Set(given.flatMap((p) => p.split(',')).map((p) => p.trim()))].filter((p) => p !== '')
  if (all.length > 1)
    throw new UsageError(
      `cannot honour --platform=${all.join(',')}: images are built for one platform at a time, and nothing is emulated`,
      { usage: false },
    )
  return all[0] ?? (byDefault || undefined)
}
