import { existsSync, lstatSync, renameSync } from 'node:fs'
import { dirname, isAbsolute, resolve } from 'node:path'
import { TsboxError } from '../../base/error.js'
import { cleanPath } from '../../base/path.js'
import type { Layer } from '../../build/seams.js'
import type { BindManner, ContainerVolume } from '../../container/record.js'
import { nodeSha256 } from '../../util/hash.js'
import { makeDir, makeDirs } from '../../util/make-dir.js'
import type { NodeLayers } from '../layers/node-layers.js'
import { subtree } from '../layers/subtree.js'
import type { Workshop } from '../layers/workshop.js'

/** A `-v` as it was meant: a host path, a named volume, or a nameless one that goes with the container. */
export interface VolumeSpec extends BindManner {
  kind: 'path' | 'named' | 'anonymous'
  source: string
  target: string
  readonly: boolean
  /** A new volume begins empty. */
  noCopy?: boolean | undefined
  /** A path of the host's that is not there is an error. */
  mustExist?: boolean | undefined
}

const OPTIONS_WITHOUT_EFFECT = new Set(['rw', 'z', 'Z', 'cached', 'delegated', 'consistent'])

/**
 * Reads `SRC:DST[:OPTIONS]`, `NAME:DST[:OPTIONS]` or `DST`.
 *
 * @param cwd folder for a source that begins with `.`
 * @throws TsboxError E_VOLUME_SPEC, exit code 125
 */
export function parseVolume(spec: string, cwd: string): VolumeSpec {
  const parts = spec.split(':')
  if (parts.length > 3 || parts.some((p) => p === '')) throw invalid(spec, 'it is not [SOURCE:]TARGET[:OPTIONS]')
  const [source, target, options = ''] = parts.length === 1 ? ['', parts[0]!] : (parts as [string, string, string?])
  if (!isAbsolute(target)) throw invalid(spec, `the container's path is not absolute: "${target}"`)
  if (cleanPath(target) === '/') throw invalid(spec, "the container's path can't be /")
  const volume: VolumeSpec = { kind: 'anonymous', source: '', target: cleanPath(target), readonly: false }
  for (const option of options.split(',').filter((o) => o !== '')) setOption(volume, option, spec)
  if (source === '') return volume
  const isPath = isAbsolute(source) || source === '.' || source === '..' || /^\.{0,2}\//.test(source)
  if (!isPath && !isVolumeName(source))
    throw invalid(spec, `a volume's name has only letters, digits, "_", "." and "-": "${source}"`)
  return { ...volume, kind: isPath ? 'path' : 'named', source: isPath ? resolve(cwd, source) : source }
}

/** Whether a text can be a volume's name. */
export function isVolumeName(text: string): boolean {
  return /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/.test(text)
}

function setOption(volume: VolumeSpec, option: string, spec: string): void {
  if (option === 'ro' || option === 'readonly') volume.readonly = true
  else if (option === 'nocopy') volume.noCopy = true
  else if (option === 'nosuid' || option === 'nodev' || option === 'noexec') volume[option] = true
  else if (/^r?(private|slave|shared)$/.test(option))
    volume.follows = propagationOf(option, (why) => invalid(spec, why))
  else if (option === 'U') throw invalid(spec, 'owners of files of this machine are not changed: "U"')
  else if (!OPTIONS_WITHOUT_EFFECT.has(option)) throw invalid(spec, `the option is not known here: "${option}"`)
}

/**
 * What a propagation means here: `slave` and `rslave` show what the host mounts later on, `private` and `rprivate` don't.
 *
 * @param wrong makes the error
 */
export function propagationOf(name: string, wrong: (why: string) => TsboxError): boolean {
  if (/^r?shared$/.test(name)) throw wrong(`mounts of a user namespace never reach the host: "${name}"`)
  if (!/^r?(private|slave)$/.test(name)) throw wrong(`the propagation is not known: "${name}"`)
  return name.endsWith('slave')
}

function invalid(spec: string, why: string): TsboxError {
  return new TsboxError('E_VOLUME_SPEC', `invalid volume specification: "${spec}": ${why}`, {
    exitCode: 125,
    hint: 'for example -v "$PWD/src:/src:ro", -v cache:/var/cache, or -v /data',
  })
}

/** Makes volumes ready to mount; new ones begin with what the image has at their target. */
export class VolumeMaker {
  readonly #shop: Workshop
  readonly #layers: NodeLayers
  readonly #image: readonly Layer[]
  readonly #containerDir: string

  constructor(shop: Workshop, layers: NodeLayers, image: readonly Layer[], containerDir: string) {
    this.#shop = shop
    this.#layers = layers
    this.#image = image
    this.#containerDir = containerDir
  }

  async place(spec: VolumeSpec): Promise<ContainerVolume> {
    const { kind, target, sub, readonly, recursive, follows, nosuid, nodev, noexec } = spec
    const source = kind === 'path' ? hostPath(spec) : await this.#volume(spec)
    const name = kind === 'named' ? spec.source : ''
    return { kind, name, source, target, sub, readonly, recursive, follows, nosuid, nodev, noexec }
  }

  async #volume(spec: VolumeSpec): Promise<string> {
    const { store, lease } = this.#shop
    const mode = await this.#shop.mode()
    const dir =
      spec.kind === 'named'
        ? store.place.path('volumes', mode, spec.source)
        : `${this.#containerDir}/volumes/${nodeSha256().update(spec.target).hex()}`
    if (existsSync(`${dir}/data`)) return `${dir}/data`
    const temp = lease.tempPath('volume')
    makeDir(temp, 0o700)
    makeDir(`${temp}/data`, 0o755)
    if (!spec.noCopy) {
      const tree = await this.#layers.tree(this.#image)
      const agent = await this.#shop.agent()
      await agent.apply(temp, subtree(tree, spec.target, 'data'))
    }
    makeDirs(dirname(dir))
    try {
      renameSync(temp, dir)
    } catch (err) {
      // Somebody else made the same volume meanwhile: theirs is the one.
      if (!existsSync(`${dir}/data`)) throw err
    }
    return `${dir}/data`
  }
}

/** A missing folder is made, as Docker does. */
function hostPath(spec: VolumeSpec): string {
  if (lstatSync(spec.source, { throwIfNoEntry: false })) return spec.source
  if (spec.mustExist)
    throw new TsboxError('E_MOUNT_SOURCE', `bind source path does not exist: "${spec.source}"`, {
      exitCode: 125,
      hint: 'make it first, or add bind-create-src to the --mount',
    })
  try {
    makeDirs(spec.source)
  } catch (cause) {
    throw new TsboxError('E_MOUNT_SOURCE', `mount volume: it does not exist and can't be made: "${spec.source}"`, {
      exitCode: 125,
      cause,
      hint: 'give a path that you may write, or make the folder first',
    })
  }
  return spec.source
}
