import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { errnoCode, TsboxError } from '../../base/error.js'
import { parseDaemonJson, parseRegistriesConf, parseRegistriesYaml } from './formats.js'
import type { RegistryRules } from './rules.js'

export type Env = Readonly<Record<string, string | undefined>>

/** Where configuration is looked for. */
export interface ConfigPlaces {
  env: Env
  /** The user's home; default `env.HOME`. */
  home?: string | undefined
  /** Folder of the machine's configuration. */
  etc?: string | undefined
}

/**
 * Everything that configuration says of registries, the file that counts most first: tsbox's own `registries.yaml`
 * (`TSBOX_REGISTRIES` names another), containers' `registries.conf` with its folder, docker's `daemon.json`.
 *
 * @throws TsboxError E_REGISTRY_CONFIG for a file that can't be understood: what it forbids must not be overlooked
 */
export async function loadRules(places: ConfigPlaces): Promise<RegistryRules[]> {
  const own = await ownRules(places)
  const conf = await containersRules(places)
  const docker = daemonFiles(places).flatMap((file) => readRules(file, JSON.parse, parseDaemonJson) ?? [])
  return [...(own ? [own] : []), ...conf, ...docker]
}

/** `$XDG_CONFIG_HOME`, else `~/.config`; undefined where there is no home. */
export function configHome({ env, home = env.HOME }: ConfigPlaces): string | undefined {
  if (env.XDG_CONFIG_HOME?.startsWith('/')) return env.XDG_CONFIG_HOME
  return home ? join(home, '.config') : undefined
}

async function ownRules(places: ConfigPlaces): Promise<RegistryRules | undefined> {
  const given = places.env.TSBOX_REGISTRIES
  const dir = configHome(places)
  const file = given || (dir && join(dir, 'tsbox', 'registries.yaml'))
  const text = file ? readText(file) : undefined
  if (text === undefined && given)
    throw new TsboxError('E_REGISTRY_CONFIG', `read registry configuration: no such file: "${given}"`, {
      hint: 'TSBOX_REGISTRIES names it',
    })
  if (text === undefined) return undefined
  const { load } = await import('js-yaml')
  return parseWith(file!, () => parseRegistriesYaml(load(text), file!))
}

/** The main file, then those of the folders; of two that speak of one registry, a later name counts more. */
async function containersRules(places: ConfigPlaces): Promise<RegistryRules[]> {
  const files = containersFiles(places)
  const texts = files.flatMap(({ file, ofUser }) => {
    const text = readText(file)
    return text === undefined ? [] : [{ file, ofUser, text }]
  })
  if (texts.length === 0) return []
  const { parse } = await import('smol-toml')
  const all = texts.map(({ file, ofUser, text }) => {
    const rules = parseWith(file, () => parseRegistriesConf(parse(text), file))
    // A distribution's list of short names must not change what a Dockerfile means: only the user's own counts.
    return ofUser ? rules : { ...rules, aliases: {} }
  })
  return all.reverse()
}

function containersFiles(places: ConfigPlaces): { file: string; ofUser: boolean }[] {
  const { env, etc = '/etc' } = places
  const given = env.CONTAINERS_REGISTRIES_CONF || env.REGISTRIES_CONFIG_PATH
  if (given) return [{ file: given, ofUser: true }]
  const home = configHome(places)
  const user = home && join(home, 'containers')
  const main = user && readText(join(user, 'registries.conf')) !== undefined ? user : join(etc, 'containers')
  const folder = (dir: string | undefined, ofUser: boolean) =>
    (dir === undefined ? [] : namesIn(dir, '.conf')).map((n) => ({ file: join(dir!, n), ofUser }))
  return [
    { file: join(main, 'registries.conf'), ofUser: main === user },
    ...folder(join(etc, 'containers', 'registries.conf.d'), false),
    ...folder(user && join(user, 'registries.conf.d'), true),
  ]
}

function daemonFiles(places: ConfigPlaces): string[] {
  const home = configHome(places)
  return [...(home ? [join(home, 'docker', 'daemon.json')] : []), join(places.etc ?? '/etc', 'docker', 'daemon.json')]
}

function readRules(
  file: string,
  read: (text: string) => unknown,
  parse: (value: unknown, file: string) => RegistryRules,
): RegistryRules | undefined {
  const text = readText(file)
  return text === undefined ? undefined : parseWith(file, () => parse(read(text), file))
}

function parseWith<T>(file: string, task: () => T): T {
  try {
    return task()
  } catch (cause) {
    if (cause instanceof TsboxError) throw cause
    const why = (cause as Error).message.split('\n')[0]
    throw new TsboxError('E_REGISTRY_CONFIG', `read registry configuration: ${why}: "${file}"`, { cause })
  }
}

/** Names in a folder with that ending, sorted; none where there is no folder. */
export function namesIn(dir: string, ending: string): string[] {
  try {
    return readdirSync(dir)
      .filter((n) => n.endsWith(ending))
      .sort()
  } catch (err) {
    if (['ENOENT', 'ENOTDIR', 'EACCES'].includes(errnoCode(err) ?? '')) return []
    throw err
  }
}

/**
 * Content of a configuration file; undefined where there is none.
 *
 * @throws TsboxError E_REGISTRY_CONFIG where it is there and can't be read
 */
export function readText(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    const code = errnoCode(cause)
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw new TsboxError('E_REGISTRY_CONFIG', `read registry configuration: ${code ?? 'failed'}: "${file}"`, {
      cause,
      hint: 'make it readable, or remove it',
    })
  }
}
