import { TsboxError } from '../../base/error.js'
import type { ImageInspect } from '../../engine/api.js'
import type { ContainerConfig } from '../../oci/config.js'
import { choice, defineCommand, text } from '../command.js'
import { NIL_MAP, NIL_SLICE, toJsonValue } from '../format/value.js'

export const command = defineCommand({
  synopsis: '[OPTIONS] IMAGE [IMAGE...]',
  summary: 'Show all that is known of images',
  arguments: [1, Number.POSITIVE_INFINITY],
  options: {
    format: text('"json", "yaml" or a Go template for each image', 'f'),
    type: choice(['image'], 'Only inspect objects of this kind: image'),
  },
  refused: {
    'size,s': 'sizes of containers are not kept',
    platform: 'tsbox stores images of one platform',
  },
  async run(values, references, { engine, shell }) {
    const images = (await engine()).images
    const print = await printer(values.format)
    const found: unknown[] = []
    let failure: unknown
    for (const reference of references) {
      try {
        found.push(goValue(await images.inspect(reference)))
      } catch (err) {
        if (!(err instanceof TsboxError)) throw err
        failure ??= err
      }
    }
    shell.stdout.write(print(found))
    if (failure) throw failure
    return undefined
  },
})

async function printer(format: string | undefined): Promise<(objects: readonly unknown[]) => string> {
  if (!format) return (objects) => `${JSON.stringify(objects.map(toJsonValue), null, 4)}\n`
  if (format === 'yaml') {
    const { toYaml } = await import('../format/yaml.js')
    return (objects) => toYaml(objects.map(toJsonValue))
  }
  if (format === 'json') return (objects) => `${JSON.stringify(objects.map(toJsonValue))}\n`
  const { compileTemplate } = await import('../format/template.js')
  const template = compileTemplate(format)
  return (objects) => objects.map((o) => `${template(o)}\n`).join('')
}

/** What is inspected as templates see Go's values: every field of docker's is there, absent lists and maps as nil. */
function goValue(image: ImageInspect): Record<string, unknown> {
  return {
    Id: image.Id,
    RepoTags: image.RepoTags,
    RepoDigests: image.RepoDigests,
    Parent: '',
    Comment: '',
    Created: image.Created ?? '',
    DockerVersion: '',
    Author: image.Author ?? '',
    Architecture: image.Architecture,
    ...(image.Variant ? { Variant: image.Variant } : {}),
    Os: image.Os,
    Size: image.Size,
    RootFS: { Type: image.RootFS.Type, Layers: image.RootFS.Layers },
    Metadata: { LastTagTime: image.Metadata.LastTagTime ?? '' },
    Config: configValue(image.Config),
  }
}

function configValue(c: ContainerConfig): Record<string, unknown> {
  const map = (value: Record<string, unknown> | undefined) => (value ? new Map(Object.entries(value)) : NIL_MAP)
  const rest: Record<string, unknown> = { ...c }
  for (const name of ['Labels', 'Volumes', 'ExposedPorts'] as const) delete rest[name]
  return {
    User: '',
    ExposedPorts: map(c.ExposedPorts),
    Env: NIL_SLICE,
    Volumes: map(c.Volumes),
    WorkingDir: '',
    OnBuild: NIL_SLICE,
    Labels: map(c.Labels),
    StopSignal: '',
    Healthcheck: null,
    Shell: NIL_SLICE,
    ...rest,
    Cmd: c.Cmd ?? NIL_SLICE,
    Entrypoint: c.Entrypoint ?? NIL_SLICE,
  }
}
