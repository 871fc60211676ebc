import { TsboxError } from '../../base/error.js'
import type { ImageSummary } from '../api.js'

/** What a filter is asked of: values of one image, and how another is found by name. */
interface Question {
  image: ImageSummary
  value: string
  /** When the image that `value` names was made; milliseconds since 1970. @throws TsboxError E_IMAGE_NOT_FOUND */
  createdOf(value: string): number
}

const MATCHES: Readonly<Record<string, (q: Question) => boolean>> = {
  dangling: ({ image, value }) => (image.repository === undefined) === truth('dangling', value),
  reference: ({ image, value }) => image.repository !== undefined && referenceMatches(image, value),
  label: ({ image, value }) => hasLabel(image, value),
  before: ({ image, value, createdOf }) => createdMs(image) < createdOf(value),
  since: ({ image, value, createdOf }) => createdMs(image) > createdOf(value),
  until: ({ image, value }) => createdMs(image) < Number(value),
}

/**
 * Docker's `--filter`s of images as one question. Values of one key are alternatives, but for labels, which must all be
 * there; `label!` must all be absent.
 *
 * @param filters `until` in milliseconds since 1970
 * @param find another image by name
 * @throws TsboxError E_FILTER
 */
export function imageFilter(
  filters: Readonly<Record<string, readonly string[]>>,
  find: (reference: string) => ImageSummary,
): (image: ImageSummary) => boolean {
  for (const key of Object.keys(filters))
    if (!Object.hasOwn(MATCHES, key) && key !== 'label!')
      throw new TsboxError('E_FILTER', `invalid filter '${key}'`, {
        hint: `known are ${[...Object.keys(MATCHES), 'label!'].join(', ')}`,
      })
  const createdOf = (value: string) => createdMs(find(value))
  return (image) =>
    Object.entries(filters).every(([key, values]) => {
      if (key === 'label!') return !values.some((v) => hasLabel(image, v))
      const matches = (value: string) => MATCHES[key]!({ image, value, createdOf })
      return key === 'label' ? values.every(matches) : values.some(matches)
    })
}

/** An image that does not say when it was made is older than all that do. */
function createdMs(image: ImageSummary): number {
  const at = Date.parse(image.created ?? '')
  return Number.isNaN(at) ? 0 : at
}

function hasLabel({ labels }: ImageSummary, value: string): boolean {
  const [key, wanted] = value.split(/=(.*)/s) as [string, string | undefined]
  return Object.hasOwn(labels, key) && (wanted === undefined || labels[key] === wanted)
}

function truth(key: string, value: string): boolean {
  if (!/^(true|false|0|1)$/.test(value))
    throw new TsboxError('E_FILTER', `invalid filter '${key}=${value}'`, { hint: `${key} is true or false` })
  return value === 'true' || value === '1'
}

function referenceMatches(image: ImageSummary, text: string): boolean {
  const pattern = globPattern(text)
  const hasTag = text.slice(text.lastIndexOf('/') + 1).includes(':')
  return pattern.test(hasTag ? `${image.repository}:${image.tag}` : image.repository!)
}

/** Go's path.Match: a star stays within one part. */
function globPattern(glob: string): RegExp {
  const source = glob.replace(/\*|\?|\[[^\]]*\]|[^*?[]+|\[/g, (m) => {
    if (m === '*') return '[^/]*'
    if (m === '?') return '[^/]'
    if (m.length > 2 && m.startsWith('[') && m.endsWith(']')) return m
    return m.replace(/[.+^${}()|[\]\\]/g, '\\$&')
  })
  return new RegExp(`^${source}$`)
}
