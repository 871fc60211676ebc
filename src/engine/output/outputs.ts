import type { ExportedImage } from '../../build/export/image.js'
import type { BuildOutput, BuildRequest } from '../api.js'
import type { NodeLayers } from '../layers/node-layers.js'
import type { Workshop } from '../layers/workshop.js'

const DEFAULT: BuildOutput = { type: 'image', tar: true, names: [] }

/** The outputs of a request. */
export function outputsOf({ outputs }: BuildRequest): readonly BuildOutput[] {
  return outputs?.length ? outputs : [DEFAULT]
}

/** Whether an output is the store. */
export function isStored({ type, dest }: BuildOutput): boolean {
  return type === 'image' || (type === 'docker' && dest === undefined)
}

type Step = (name: string, work: () => Promise<void>) => Promise<void>

/**
 * Writes a built image to where it goes beside the store, one after the other.
 *
 * @throws TsboxError E_OUTPUT, E_DISK_FULL; of an output that failed nothing is left, but in a folder that was there
 */
export async function writeOutputs(
  deps: { shop: Workshop; layers: NodeLayers },
  request: BuildRequest,
  outputs: readonly BuildOutput[],
  image: ExportedImage,
  step: Step,
): Promise<void> {
  for (const output of outputs) {
    if (isStored(output) || output.type === 'cacheonly') continue
    // Writers of archives bring tar-stream along, which an ordinary build never needs.
    const { writeOutput } = await import('./write-output.js')
    await step(titleOf(output), () => writeOutput(deps, request, output, image))
  }
}

function titleOf({ type }: BuildOutput): string {
  if (type === 'local') return 'exporting to client directory'
  return type === 'tar' ? 'exporting to client tarball' : `exporting to ${type} image format`
}
