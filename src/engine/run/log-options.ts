import { TsboxError } from '../../base/error.js'
import type { ContainerSettings } from '../../container/record.js'
import type { LogSpec } from '../../rootless/agent.js'
import type { LogRequest } from '../api.js'

type LogSettings = NonNullable<ContainerSettings['log']>

/** Drivers of docker's that send logs elsewhere. */
const REMOTE = ['awslogs', 'etwlogs', 'fluentd', 'gcplogs', 'gelf', 'journald', 'logentries', 'splunk', 'syslog']
const KEPT = ['json-file', 'local', 'none'] as const
/** Options that are honoured, by driver. */
const KNOWN: Readonly<Record<string, readonly string[]>> = {
  'json-file': ['max-size', 'max-file', 'labels', 'labels-regex', 'env', 'env-regex', 'mode', 'compress'],
  local: ['max-size', 'max-file', 'mode', 'compress'],
  none: [],
}
const REFUSED: Readonly<Record<string, string>> = {
  tag: 'lines have no tags: use labels or env',
  'max-buffer-size': 'there is no buffer: lines are written before the program goes on',
}
/** Docker's for `local`. */
const LOCAL_BYTES = 20 * 1024 * 1024
const LOCAL_FILES = 5
const UNITS: Readonly<Record<string, number>> = { '': 1, k: 1e3, m: 1e6, g: 1e9, t: 1e12, p: 1e15 }

/** Checks what was asked for. @throws TsboxError E_LOG_DRIVER, E_LOG_OPTION, with exit code 125 */
export function logSettings({ driver = 'json-file', options }: LogRequest): LogSettings {
  const name = KEPT.find((k) => k === driver)
  if (!name) {
    const known = REMOTE.includes(driver)
    throw new TsboxError(
      'E_LOG_DRIVER',
      known
        ? `cannot honour --log-driver=${driver}: nothing runs that would send the log on`
        : `logger: no log driver named '${driver}' is registered`,
      { exitCode: 125, hint: 'use json-file, local or none' },
    )
  }
  for (const key of Object.keys(options)) checkOption(name, key, options[key]!)
  const settings = { driver: name, options }
  logSpec({ log: settings, labels: {}, env: [] })
  return settings
}

function checkOption(driver: string, key: string, value: string): void {
  if (KNOWN[driver]!.includes(key)) {
    if (key === 'mode' && value !== 'blocking') throw invalid(`cannot honour --log-opt mode=${value}: use blocking`)
    if (key === 'compress' && value !== 'false')
      throw invalid(`cannot honour --log-opt compress=${value}: old files are kept as they are`)
    return
  }
  const why = REFUSED[key]
  throw invalid(why ? `cannot honour --log-opt ${key}: ${why}` : `unknown log opt '${key}' for ${driver} log driver`)
}

function invalid(message: string): TsboxError {
  return new TsboxError('E_LOG_OPTION', message, { exitCode: 125 })
}

/** What the monitor is told; undefined where no log is kept. @throws TsboxError E_LOG_OPTION */
export function logSpec({ log, labels, env }: Pick<ContainerSettings, 'log' | 'labels' | 'env'>): LogSpec | undefined {
  if (!log) return { files: 1 }
  if (log.driver === 'none') return undefined
  const local = log.driver === 'local'
  const size = log.options['max-size']
  const files = log.options['max-file']
  const attributes = attributesOf(log.options, labels, env)
  return {
    maxBytes: size === undefined ? (local ? LOCAL_BYTES : undefined) : sizeOf(size),
    files: files === undefined ? (local ? LOCAL_FILES : 1) : filesOf(files),
    ...(Object.keys(attributes).length ? { attributes } : {}),
  }
}

/** Docker's sizes of logs are decimal. */
function sizeOf(text: string): number | undefined {
  if (text === '-1') return undefined
  const parts = /^(\d+(?:\.\d+)?) ?([kmgtp]?)i?b?$/i.exec(text)
  const bytes = parts ? Math.floor(Number(parts[1]) * UNITS[parts[2]!.toLowerCase()]!) : 0
  if (bytes > 0) return bytes
  throw invalid(parts ? 'max-size must be a positive number' : `invalid size: '${text}'`)
}

function filesOf(text: string): number {
  if (!/^-?\d{1,6}$/.test(text)) throw invalid(`strconv.Atoi: parsing "${text}": invalid syntax`)
  if (Number(text) < 1) throw invalid('max-file cannot be less than 1')
  return Number(text)
}

/** Labels and variables that lines have as attributes, sorted as Go sorts maps. */
function attributesOf(
  options: Readonly<Record<string, string>>,
  labels: Readonly<Record<string, string>>,
  env: readonly string[],
): Record<string, string> {
  const variables = Object.fromEntries(env.map((e) => e.split(/=(.*)/s) as [string, string]))
  const found = [...picked(labels, options, 'labels'), ...picked(variables, options, 'env')]
  return Object.fromEntries(found.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)))
}

function picked(
  from: Readonly<Record<string, string>>,
  options: Readonly<Record<string, string>>,
  kind: 'labels' | 'env',
): [string, string][] {
  const names = (options[kind] ?? '').split(',')
  const pattern = options[`${kind}-regex`]
  const wanted = pattern ? patternOf(pattern) : undefined
  return Object.entries(from).filter(([key]) => names.includes(key) || wanted?.test(key))
}

function patternOf(text: string): RegExp {
  try {
    return new RegExp(text)
  } catch {
    throw invalid(`error parsing regexp: ${text}`)
  }
}
