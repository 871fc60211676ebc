import { TsboxError } from '../../base/error.js'
import type { ExportedImage } from '../../build/export/image.js'
import type { ProgressSink } from '../../build/progress/event.js'
import type { InternalProgress } from '../../build/solve/internal-step.js'
import type { Platform } from '../../oci/platform.js'
import type { BuildOutput, BuildRequest } from '../api.js'
import type { NodeLayers } from '../layers/node-layers.js'
import type { Workshop } from '../layers/workshop.js'
import type { RegistryDeps } from '../registry/deps.js'

const DEFAULT: BuildOutput = { type: 'image', tar: true, names: [] }

/** The outputs of a request. */
export function outputsOf({ outputs }: BuildRequest): readonly BuildOutput[] {
  return outputs?.length ? outputs : [DEFAULT]
}

/** Whether an output is the store. */
export function isStored({ type, dest, store }: BuildOutput): boolean {
  return (type === 'image' && store !== false) || (type === 'docker' && dest === undefined)
}

/** Whether the image goes to an output as the build makes it. */
export function isPlain(output: BuildOutput): boolean {
  const { compression, rewriteTimestamp, mediaTypes, annotations, unpack } = output
  return !compression && !rewriteTimestamp && mediaTypes !== 'docker' && !annotations?.length && !unpack
}

/** @throws TsboxError E_OUTPUT for what needs a time, where there is none */
export function checkOutputs(outputs: readonly BuildOutput[], epoch: number | undefined): void {
  if (epoch !== undefined || !outputs.some((o) => o.rewriteTimestamp)) return
  throw new TsboxError('E_OUTPUT', 'write output: rewrite-timestamp=true needs SOURCE_DATE_EPOCH, which is not set', {
    hint: 'for example SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)',
  })
}

/** Shows work as a step of progress. */
type Step = (name: string, work: (step: InternalProgress) => Promise<void>) => Promise<void>

/** What outputs are written with. */
export interface OutputDeps {
  shop: Workshop
  layers: NodeLayers
  env: Readonly<Record<string, string | undefined>>
  registries: RegistryDeps
  /** Of what is built. */
  platform: Platform
  /** SOURCE_DATE_EPOCH in seconds. */
  epoch: number | undefined
  progress: ProgressSink
}

/**
 * Writes a built image to where it goes, one after the other; what goes to the store as it is is there already.
 *
 * @returns what was made for the first output that is an image; undefined where there is none
 * @throws TsboxError E_OUTPUT, E_DISK_FULL; of an output that failed nothing is left, but in a folder that was there
 */
export async function writeOutputs(
  deps: OutputDeps,
  request: BuildRequest,
  outputs: readonly BuildOutput[],
  image: ExportedImage,
  step: Step,
): Promise<{ image: ExportedImage; output: BuildOutput } | undefined> {
  const made = new Map<BuildOutput, ExportedImage>()
  for (const output of outputs) {
    if (output.type === 'cacheonly') continue
    if (isPlain(output) && (output.type === 'image' || isStored(output))) {
      made.set(output, output.push ? await pushed(deps, request, output, image, step) : image)
      continue
    }
    // Writers of archives bring tar-stream along, which an ordinary build never needs.
    const { writeOutput } = await import('./write-output.js')
    await step(titleOf(output), async (progress) => {
      const written = await writeOutput(deps, request, output, image, progress)
      if (written) made.set(output, written)
    })
    if (output.push) made.set(output, await pushed(deps, request, output, made.get(output)!, step))
  }
  const output = outputs.find((o) => made.has(o) && isStored(o)) ?? outputs.find((o) => made.has(o))
  return output && { output, image: made.get(output)! }
}

async function pushed(
  deps: OutputDeps,
  request: BuildRequest,
  output: BuildOutput,
  image: ExportedImage,
  step: Step,
): Promise<ExportedImage> {
  const [{ pushOutput }, { transfersOf }] = await Promise.all([import('./push.js'), import('../registry/transfers.js')])
  let out = image
  await step('pushing to registry', async ({ id }) => {
    const transfers = transfersOf(deps.progress, id, () => Date.now())
    out = await pushOutput(deps, request, output, image, transfers)
  })
  return out
}

function titleOf(output: BuildOutput): string {
  const { type } = output
  if (type === 'local') return 'exporting to client directory'
  if (type === 'image' || isStored(output)) return 'exporting to image'
  return type === 'tar' ? 'exporting to client tarball' : `exporting to ${type} image format`
}
