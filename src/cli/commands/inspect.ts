import { TsboxError } from '../../base/error.js'
import type { Engine, ImageInspect } from '../../engine/api.js'
import type { ContainerConfig } from '../../oci/config.js'
import { choice, defineCommand, flag, text } from '../command.js'
import { NIL_MAP, NIL_SLICE, toJsonValue } from '../format/value.js'
import { terminalJson } from '../printable.js'

/** Containers are looked for first, as docker does. */
export const command = inspectCommand(['container', 'image'])
/** `image inspect` and `container inspect` know one kind only. */
export const imageCommand = inspectCommand(['image'])
export const containerCommand = inspectCommand(['container'])

type Kind = 'container' | 'image'

function inspectCommand(kinds: readonly Kind[]) {
  const only = kinds.length === 1 ? kinds[0]!.toUpperCase() : 'NAME'
  return defineCommand({
    synopsis: `[OPTIONS] ${only} [${only}...]`,
    summary: `Show all that is known of ${kinds.map((k) => `${k}s`).join(' and ')}`,
    arguments: [1, Number.POSITIVE_INFINITY],
    options: {
      format: text('"json", "yaml" or a Go template for each of them', 'f'),
      size: flag('Show sizes of containers', 's'),
      type: choice(kinds, `Only inspect objects of this kind: ${kinds.join(' or ')}`),
    },
    refused: {
      platform: 'tsbox stores images of one platform',
    },
    async run(values, names, { engine, shell }) {
      const opened = await engine()
      const print = await printer(values.format)
      const found: unknown[] = []
      let failure: unknown
      for (const name of names) {
        try {
          found.push(await inspect(opened, name, values.type === undefined ? kinds : [values.type], values.size))
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
}

async function inspect(
  { containers, images }: Engine,
  name: string,
  kinds: readonly Kind[],
  sized: boolean,
): Promise<unknown> {
  if (kinds[0] === 'image') return goValue(await images.inspect(name))
  try {
    const found = containerValue(await containers.inspect(name))
    if (!sized) return found
    const { changedBytes, totalBytes } = await containers.size(name)
    return { ...found, SizeRw: changedBytes, SizeRootFs: totalBytes }
  } catch (err) {
    const absent = err instanceof TsboxError && err.code === 'E_CONTAINER_NOT_FOUND'
    if (!absent || kinds.length === 1) throw err
  }
  return goValue(await images.inspect(name))
}

/** Maps are maps for templates, which otherwise take an object for a struct with fixed fields. */
function containerValue(c: Record<string, unknown>): Record<string, unknown> {
  const config = c.Config as Record<string, unknown>
  const network = c.NetworkSettings as Record<string, unknown>
  const map = (value: unknown) => new Map(Object.entries(value as object))
  return {
    ...c,
    Config: { ...config, Labels: map(config.Labels) },
    NetworkSettings: { ...network, Ports: map(network.Ports), Networks: map(network.Networks) },
  }
}

async function printer(format: string | undefined): Promise<(objects: readonly unknown[]) => string> {
  if (!format) return (objects) => `${terminalJson(JSON.stringify(objects.map(toJsonValue), null, 4))}\n`
  if (format === 'yaml') {
    const { toYaml } = await import('../format/yaml.js')
    return (objects) => toYaml(objects.map(toJsonValue))
  }
  if (format === 'json') return (objects) => `${terminalJson(JSON.stringify(objects.map(toJsonValue)))}\n`
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
