import type { Platform } from '../oci/platform.js'
import { BuildChecks } from './build-checks.js'
import { parseDockerfile } from './dockerfile/parse.js'
import type { CacheEntries } from './export/cache-entries.js'
import { type ExportedImage, exportImage } from './export/image.js'
import { planBuild } from './graph/plan.js'
import type { PlanOptions } from './graph/plan-options.js'
import type { Vertex } from './graph/vertex.js'
import type { RunInputs } from './ops/run.js'
import type { BuildHost, ImageSink } from './seams.js'
import { InternalStep } from './solve/internal-step.js'
import { Solver, type StepFailure } from './solve/solver.js'

/** A build, all inputs resolved. */
export interface BuildJob {
  /** Text of the Dockerfile and the name that errors show. */
  text: string
  file: string
  plan: Omit<PlanOptions, 'resolveImage'>
  /** Patterns of `.dockerignore`, for the check that asks for them. */
  ignorePatterns?: (() => readonly string[]) | undefined
  run: RunInputs
  jobs: number
  /** SOURCE_DATE_EPOCH in seconds. */
  epoch?: number | undefined
  signal: AbortSignal
  /** Names for the last line of progress. */
  tags: readonly string[]
  /** Told when the steps have ended, also by a failure and before anything is exported. What it throws fails the build. */
  onSolved?: ((build: { target: Vertex; solver: Solver }) => Promise<void>) | undefined
  /** Whether the image says itself how its layers were made, so that it can serve as a cache. */
  inlineCache?: boolean | undefined
  /** Gets what can be known elsewhere of the finished build. */
  exportCache?: ((entries: CacheEntries) => Promise<void>) | undefined
  onFailure?: ((failure: StepFailure) => Promise<void>) | undefined
}

/**
 * Builds one target and exports its image.
 *
 * @throws TsboxError E_DOCKERFILE, E_LINT, StepFailed, and what the host's parts throw; the store then has nothing of the image
 */
export async function buildImage(job: BuildJob, host: BuildHost, sink: ImageSink): Promise<ExportedImage> {
  const internal = new InternalStep(host)
  const [dockerfile, checks] = await internal.run(
    `[internal] load build definition from ${job.file.split('/').pop()}`,
    async ({ status, id }) => {
      status('transferring dockerfile:', new TextEncoder().encode(job.text).length)
      const parsed = parseDockerfile(job.text, { file: job.file, syntax: job.plan.buildArgs.BUILDKIT_SYNTAX })
      return [parsed, new BuildChecks(parsed, job, host, id)] as const
    },
  )
  const resolveImage = async (reference: string, platform: Platform) => {
    const step = `[internal] load metadata for ${reference}`
    const image = await internal.run(step, () => host.resolveImage(reference, platform))
    checks.know(reference, platform, image)
    return image
  }
  const plan = await planBuild(dockerfile, { ...job.plan, resolveImage }).finally(() => checks.report())
  checks.enforce()
  job.signal.throwIfAborted()
  const solver = new Solver(host, { jobs: job.jobs, signal: job.signal, run: job.run, onFailure: job.onFailure })
  const solved = await solver.solve(plan.target).finally(() => job.onSolved?.({ target: plan.target, solver }))
  const wanted = job.inlineCache || job.exportCache
  // Loaded only here: most builds keep their cache to themselves.
  const caching = wanted ? await import('./export/cache-entries.js') : undefined
  const entries = await caching?.cacheEntries(host, solver, plan.target, job.epoch)
  const inline = job.inlineCache && entries ? caching?.inlineFields(entries.records, solved.layers) : undefined
  const image = await internal.run('exporting to image', async ({ status, transfer }) => {
    const image = await exportImage(host, sink, plan, solver, solved, { ...job, inline, transfer })
    status('exporting layers')
    status(`writing image ${image.config.digest}`)
    for (const tag of job.tags) status(`naming to ${tag}`)
    return image
  })
  if (entries && job.exportCache) {
    if (image.date) entries.records.push({ ...image.date, own: true })
    await job.exportCache(entries)
  }
  return image
}
