import { TsboxError } from '../../base/error.js'
import { cleanPath, joinPath } from '../../base/path.js'
import { expandInstruction } from '../../build/dockerfile/expand-instruction.js'
import type { StageInstruction } from '../../build/dockerfile/instruction.js'
import { parseDockerfile } from '../../build/dockerfile/parse.js'
import { parsePorts } from '../../build/dockerfile/ports.js'
import { parseSignal } from '../../build/dockerfile/signal.js'
import { commandArgs } from '../../build/graph/run-step.js'
import type { ContainerConfig } from '../../oci/config.js'

const DEFAULT_SHELL = ['/bin/sh', '-c']

/**
 * Applies Dockerfile instructions that only concern the configuration, as `docker import --change` does.
 *
 * @throws TsboxError E_DOCKERFILE, E_CHANGE_UNSUPPORTED for an instruction that would change files
 */
export function applyChanges(config: ContainerConfig, changes: readonly string[]): ContainerConfig {
  const out = structuredClone(config)
  for (const change of changes) {
    const { stages, escape: mark } = parseDockerfile(`FROM scratch\n${change}\n`, { file: '--change' })
    if (stages.length !== 1) throw unsupported('FROM')
    for (const i of stages[0]!.instructions)
      applyChange(
        out,
        expandInstruction(i, (name) => envValue(out, name), { escape: mark }),
      )
  }
  return out
}

function applyChange(config: ContainerConfig, i: StageInstruction): void {
  const shell = config.Shell ?? DEFAULT_SHELL
  switch (i.type) {
    case 'env':
      for (const { key, value } of i.pairs) setEnv(config, key, value)
      break
    case 'label':
      config.Labels = { ...config.Labels, ...Object.fromEntries(i.pairs.map((p) => [p.key, p.value])) }
      break
    case 'cmd':
      config.Cmd = commandArgs(i.command, shell)
      break
    case 'entrypoint':
      config.Entrypoint = commandArgs(i.command, shell)
      break
    case 'shell':
      config.Shell = i.shell
      break
    case 'user':
      config.User = i.user
      break
    case 'workdir':
      config.WorkingDir = i.path.startsWith('/') ? cleanPath(i.path) : joinPath('/', config.WorkingDir ?? '', i.path)
      break
    case 'volume':
      config.Volumes = { ...config.Volumes, ...emptyKeys(i.volumes) }
      break
    case 'expose':
      config.ExposedPorts = { ...config.ExposedPorts, ...emptyKeys(parsePorts(i.ports)) }
      break
    case 'stopsignal':
      parseSignal(i.signal)
      config.StopSignal = i.signal
      break
    case 'onbuild':
      config.OnBuild = [...(config.OnBuild ?? []), i.expression]
      break
    default:
      throw unsupported(i.keyword)
  }
}

function emptyKeys(keys: readonly string[]): Record<string, Record<string, never>> {
  return Object.fromEntries(keys.map((k) => [k, {}]))
}

function envValue(config: ContainerConfig, name: string): string | undefined {
  return config.Env?.find((e) => e.startsWith(`${name}=`))?.slice(name.length + 1)
}

function setEnv(config: ContainerConfig, key: string, value: string): void {
  const others = (config.Env ?? []).filter((e) => !e.startsWith(`${key}=`))
  config.Env = [...others, `${key}=${value}`]
}

function unsupported(keyword: string): TsboxError {
  return new TsboxError('E_CHANGE_UNSUPPORTED', `import image: ${keyword.toUpperCase()} is not a valid change`, {
    hint: 'CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, ONBUILD, SHELL, STOPSIGNAL, USER, VOLUME and WORKDIR are; build the rest with tsbox build',
  })
}
