import { TsboxError } from '../base/error.js'

type Kind = 'text' | 'texts' | 'set' | 'map' | 'number' | 'flag'

/** Fields of `config`, with Docker's own. @see OCI image-spec 1.1, config.md */
const CONTAINER: Readonly<Record<string, Kind>> = {
  User: 'text',
  ExposedPorts: 'set',
  Env: 'texts',
  Entrypoint: 'texts',
  Cmd: 'texts',
  Volumes: 'set',
  WorkingDir: 'text',
  Labels: 'map',
  StopSignal: 'text',
  ArgsEscaped: 'flag',
  OnBuild: 'texts',
  Shell: 'texts',
}
const HEALTHCHECK: Readonly<Record<string, Kind>> = {
  Test: 'texts',
  Interval: 'number',
  Timeout: 'number',
  StartPeriod: 'number',
  StartInterval: 'number',
  Retries: 'number',
}
const HISTORY: Readonly<Record<string, Kind>> = {
  created: 'text',
  created_by: 'text',
  author: 'text',
  comment: 'text',
  empty_layer: 'flag',
}
const TOP: Readonly<Record<string, Kind>> = {
  created: 'text',
  author: 'text',
  variant: 'text',
  'os.version': 'text',
  'os.features': 'texts',
}

/**
 * Demands that the fields of an image's configuration are of the types that the specification gives them, and that what
 * becomes arguments, variables and paths has no NUL, which would end them early for whom they are handed to. What is
 * null or not there passes, and so do unknown fields.
 *
 * @throws TsboxError E_CONFIG_INVALID, naming the field
 */
export function checkConfigShape(value: Readonly<Record<string, unknown>>): void {
  checkFields(value, TOP, '')
  const config = objectAt(value, 'config', 'config')
  if (config) {
    checkFields(config, CONTAINER, 'config.')
    const healthcheck = objectAt(config, 'Healthcheck', 'config.Healthcheck')
    if (healthcheck) checkFields(healthcheck, HEALTHCHECK, 'config.Healthcheck.')
  }
  if (isAbsent(value.history)) return
  if (!Array.isArray(value.history)) throw wrong('history', 'a list')
  for (const [i, entry] of value.history.entries()) {
    if (!isObject(entry)) throw wrong(`history[${i}]`, 'an object')
    checkFields(entry, HISTORY, `history[${i}].`)
  }
}

function checkFields(
  of: Readonly<Record<string, unknown>>,
  kinds: Readonly<Record<string, Kind>>,
  prefix: string,
): void {
  for (const [name, kind] of Object.entries(kinds)) {
    const value = of[name]
    if (!isAbsent(value)) checkField(value, kind, prefix + name)
  }
}

function checkField(value: unknown, kind: Kind, name: string): void {
  if (kind === 'text') checkText(value, name)
  else if (kind === 'number' || kind === 'flag') {
    if (typeof value !== (kind === 'number' ? 'number' : 'boolean'))
      throw wrong(name, kind === 'number' ? 'a number' : 'true or false')
  } else if (kind === 'texts') {
    if (!Array.isArray(value)) throw wrong(name, 'a list of texts')
    for (const item of value) checkText(item, name)
  } else {
    if (!isObject(value)) throw wrong(name, 'an object')
    for (const [key, item] of Object.entries(value)) {
      checkText(key, name)
      if (kind === 'map') checkText(item, name)
    }
  }
}

function checkText(value: unknown, name: string): void {
  if (typeof value !== 'string') throw wrong(name, 'a text')
  if (value.includes('\0')) throw new TsboxError('E_CONFIG_INVALID', `read image config: ${name} has a NUL in it`)
}

function objectAt(of: Readonly<Record<string, unknown>>, key: string, name: string) {
  const value = of[key]
  if (isAbsent(value)) return undefined
  if (!isObject(value)) throw wrong(name, 'an object')
  return value
}

function isAbsent(value: unknown): value is null | undefined {
  return value === undefined || value === null
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function wrong(name: string, what: string): TsboxError {
  return new TsboxError('E_CONFIG_INVALID', `read image config: ${name} is not ${what}`, {
    hint: 'the image was not made by a build: get it from where it comes from again',
  })
}
