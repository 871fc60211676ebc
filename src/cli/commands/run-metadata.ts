import type { RunRequest } from '../../engine/api.js'
import { flag, list, text, type Values } from '../command.js'
import { UsageError } from '../usage-error.js'

/** Options that say something of a container and change nothing of what runs. */
export const METADATA_OPTIONS = {
  annotation: list('Say something of the container (K=V)'),
  expose: list('A port on which it listens, or a range: 80, 80-90/udp'),
  'no-healthcheck': flag('Run no health check (tsbox never does)'),
  platform: text('Platform that the image must be of (OS/ARCH[/VARIANT])'),
} as const

/** @throws {UsageError} */
export function metadataOf(
  values: Values<typeof METADATA_OPTIONS>,
): Pick<RunRequest, 'annotations' | 'exposed' | 'platform'> {
  return {
    ...(values.annotation.length ? { annotations: annotationsOf(values.annotation) } : {}),
    ...(values.expose.length ? { exposed: [...new Set(values.expose.flatMap(portsOf))] } : {}),
    ...(values.platform === undefined ? {} : { platform: values.platform }),
  }
}

function annotationsOf(given: readonly string[]): Record<string, string> {
  const pairs = given.map((text) => text.split(/=(.*)/s) as [string, string | undefined])
  for (const [key, value] of pairs)
    if (key === '' || value === undefined)
      throw new UsageError(`invalid argument "${key}" for "--annotation" flag: it is not KEY=VALUE`)
  return Object.fromEntries(pairs) as Record<string, string>
}

function portsOf(text: string): string[] {
  const match = /^(\d{1,5})(?:-(\d{1,5}))?(?:\/(tcp|udp|sctp))?$/.exec(text)
  const first = Number(match?.[1])
  const last = Number(match?.[2] ?? match?.[1])
  if (!match || first < 1 || last < first || last > 65535)
    throw new UsageError(`invalid range format for --expose: ${text}`)
  return Array.from({ length: last - first + 1 }, (_, i) => `${first + i}/${match[3] ?? 'tcp'}`)
}
