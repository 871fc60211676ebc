import type { ImageAnnotation } from '../../engine/api.js'
import { parsePlatform } from '../../oci/platform.js'
import { UsageError } from '../usage-error.js'

const TYPE = /^([a-z-]*)(?:\[([A-Za-z0-9_/.-]+)\])?$/
const ATTRIBUTE = /^annotation(?:-([a-z-]+))?(?:\[([A-Za-z0-9_/.-]+)\])?\.(\S+)$/
const INDEX = ['index', 'index-descriptor']

/**
 * `--annotation [TYPE[PLATFORM],…:]KEY=VALUE`; without a type it is one of the manifest.
 *
 * @see docker/buildx util/buildflags/export.go, ParseAnnotations
 */
export function parseAnnotation(text: string): ImageAnnotation[] {
  const refuse = (reason: string) => new UsageError(`invalid argument "${text}" for "--annotation" flag: ${reason}`)
  const [name, value] = text.split(/=(.*)/s) as [string, string | undefined]
  if (value === undefined) throw refuse(`invalid annotation "${text}", expected key=value`)
  const [types, key] = name.includes(':') ? (name.split(/:(.*)/s) as [string, string]) : ['manifest', name]
  return types.split(',').map((part) => {
    const match = TYPE.exec(part)
    if (!match)
      throw refuse(`invalid annotation type "${part}", expected type and optional platform in square brackets`)
    return annotation(match[1] || 'manifest', match[2], key, value, refuse)
  })
}

/**
 * An attribute of `--output`: `annotation.K`, `annotation-manifest[PLATFORM].K`, `annotation-manifest-descriptor.K`.
 *
 * @returns undefined for an attribute that is none
 * @see moby/buildkit exporter/containerimage/exptypes/annotations.go
 */
export function annotationAttribute(
  name: string,
  value: string,
  refuse: (reason: string) => UsageError,
): ImageAnnotation | undefined {
  const match = ATTRIBUTE.exec(name)
  return match ? annotation(match[1] ?? 'manifest', match[2], match[3]!, value, refuse) : undefined
}

function annotation(
  on: string,
  platform: string | undefined,
  key: string,
  value: string,
  refuse: (reason: string) => UsageError,
): ImageAnnotation {
  if (INDEX.includes(on)) throw refuse('index annotations not supported for single platform export')
  if (on !== 'manifest' && on !== 'manifest-descriptor') throw refuse(`unknown annotation type "${on}"`)
  if (key === '') throw refuse('the key is empty')
  if (platform === undefined) return { on, key, value }
  try {
    parsePlatform(platform, { os: 'linux', architecture: 'amd64' })
  } catch {
    throw refuse(`invalid platform "${platform}"`)
  }
  return { on, platform, key, value }
}
