import type { InspectedManifest } from '../../engine/api.js'
import { isIndex } from '../../oci/manifest.js'
import { defineCommand, flag, list, text } from '../command.js'
import { interruptible } from '../interrupt.js'

const insecure = { insecure: 'registries.yaml or daemon.json says which registries are insecure; loopback is allowed' }

export const create = defineCommand({
  synopsis: 'MANIFEST_LIST MANIFEST [MANIFEST...]',
  summary: 'Create a list of images for several platforms',
  arguments: [2, Number.POSITIVE_INFINITY],
  options: { amend: flag('Add to a list that is there', 'a') },
  refused: insecure,
  run: async ({ amend }, [name, ...images], { engine, shell }) =>
    interruptible(shell, async (signal) => {
      const made = await (await engine()).manifests.create(name!, images, { amend, signal })
      shell.stdout.write(`Created manifest list ${made}\n`)
      return undefined
    }),
})

export const add = defineCommand({
  synopsis: 'MANIFEST_LIST MANIFEST [MANIFEST...]',
  summary: 'Add images to a list',
  arguments: [2, Number.POSITIVE_INFINITY],
  options: {},
  run: async (_, [name, ...images], { engine, shell }) =>
    interruptible(shell, async (signal) => {
      const made = await (await engine()).manifests.create(name!, images, { amend: true, signal })
      shell.stdout.write(`${made}\n`)
      return undefined
    }),
})

export const annotate = defineCommand({
  synopsis: '[OPTIONS] MANIFEST_LIST MANIFEST',
  summary: 'Change what a list says of an image',
  arguments: [2, 2],
  options: {
    arch: text('Architecture'),
    os: text('Operating system'),
    'os-features': list('Features of the operating system'),
    'os-version': text('Version of the operating system'),
    variant: text('Variant of the architecture'),
  },
  run: async (values, [name, image], { engine, shell }) =>
    interruptible(shell, async (signal) => {
      const { arch, os, variant } = values
      const version = values['os-version']
      const features = values['os-features'].flatMap((f) => f.split(','))
      const platform = {
        ...(arch === undefined ? {} : { architecture: arch }),
        ...(os === undefined ? {} : { os }),
        ...(variant === undefined ? {} : { variant }),
        ...(version === undefined ? {} : { 'os.version': version }),
        ...(features.length === 0 ? {} : { 'os.features': features }),
      }
      await (await engine()).manifests.annotate(name!, image!, platform, signal)
      return undefined
    }),
})

export const inspect = defineCommand({
  synopsis: '[OPTIONS] [MANIFEST_LIST] MANIFEST',
  summary: 'Show a list, or a manifest of a registry',
  arguments: [1, 2],
  options: { verbose: flag('Show the manifests that it lists too', 'v') },
  refused: insecure,
  run: async ({ verbose }, args, { engine, shell }) =>
    interruptible(shell, async (signal) => {
      const { manifests } = await engine()
      const found = await manifests.inspect(args.at(-1)!, signal)
      const all = verbose ? await manifests.images(found, signal) : []
      const shown = verbose ? (isIndex(found.document) ? all.map(verboseOf) : verboseOf(found)) : found.document
      shell.stdout.write(`${JSON.stringify(shown, null, 4)}\n`)
      return undefined
    }),
})

/** As docker shows a manifest with all that is known of it. */
function verboseOf({ name, descriptor, document }: InspectedManifest): unknown {
  const key = descriptor.mediaType.includes('docker') ? 'SchemaV2Manifest' : 'OCIManifest'
  return { Ref: name, Descriptor: descriptor, [key]: document }
}

export const push = defineCommand({
  synopsis: '[OPTIONS] MANIFEST_LIST',
  summary: 'Upload a list, with the images that its repository has not',
  arguments: [1, 1],
  options: { purge: flag('Remove the list here once it is there', 'p') },
  refused: insecure,
  run: async ({ purge }, [name], { engine, shell }) =>
    interruptible(shell, async (signal) => {
      shell.stdout.write(`${await (await engine()).manifests.push(name!, { purge, signal })}\n`)
      return undefined
    }),
})

export const rm = defineCommand({
  synopsis: 'MANIFEST_LIST [MANIFEST_LIST...]',
  summary: 'Remove lists',
  arguments: [1, Number.POSITIVE_INFINITY],
  options: {},
  async run(_, names, { engine, shell }) {
    for (const name of await (await engine()).manifests.remove(names)) shell.stdout.write(`Deleted: ${name}\n`)
    return undefined
  },
})
