import { TsboxError } from '../base/error.js'
import type { HistoryEntry, ImageConfig } from './config.js'
import { checkConfigShape } from './config-shape.js'
import { isDigest } from './digest.js'
import { parseObject } from './manifest.js'
import { normalisePlatform, type Platform } from './platform.js'

/**
 * Reads an image's configuration; unknown fields stay.
 *
 * @throws TsboxError E_CONFIG_INVALID, E_MANIFEST_INVALID for what is no JSON object
 */
export function parseConfig(bytes: Uint8Array): ImageConfig {
  const value = parseObject(bytes, 'image config')
  const rootfs = value.rootfs as Partial<ImageConfig['rootfs']> | undefined
  if (typeof value.architecture !== 'string' || typeof value.os !== 'string')
    throw new TsboxError('E_CONFIG_INVALID', 'read image config: it names no os and architecture')
  if (!rootfs || !Array.isArray(rootfs.diff_ids))
    throw new TsboxError('E_CONFIG_INVALID', 'read image config: it lists no layers')
  for (const id of rootfs.diff_ids as unknown[])
    if (typeof id !== 'string' || !isDigest(id))
      throw new TsboxError('E_CONFIG_INVALID', `read image config: malformed diffID: "${String(id)}"`)
  checkConfigShape(value)
  return value as unknown as ImageConfig
}

/** Bytes of a configuration: fields as they stand, no spaces. */
export function encodeConfig(config: ImageConfig): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(config))
}

/** The platform that a configuration is for. */
export function platformOf(config: ImageConfig): Platform {
  return normalisePlatform({ os: config.os, architecture: config.architecture, variant: config.variant })
}

/** A line of history and the layer that came of it. */
export interface HistoryLine {
  entry: HistoryEntry
  diffID?: string | undefined
}

/**
 * History with the layers it belongs to, oldest first. Layers that the history doesn't mention (it is optional) come
 * last, with an empty entry each.
 */
export function historyLines(config: ImageConfig): HistoryLine[] {
  const diffIDs = [...config.rootfs.diff_ids]
  const lines: HistoryLine[] = (config.history ?? []).map((entry) =>
    entry.empty_layer ? { entry } : { entry, diffID: diffIDs.shift() },
  )
  return [...lines, ...diffIDs.map((diffID) => ({ entry: {}, diffID }))]
}

/** RFC 3339 in UTC, whole seconds without a fraction, as Go writes it. @param seconds since 1970 */
export function formatTime(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace('.000Z', 'Z')
}
