import { TsboxError } from '../../base/error.js'
import { Fields } from './fields.js'
import type { MirrorRule, RegistryRule, RegistryRules } from './rules.js'

/**
 * Reads tsbox's own `registries.yaml`.
 *
 * @throws TsboxError E_REGISTRY_CONFIG
 */
export function parseRegistriesYaml(value: unknown, file: string): RegistryRules {
  const top = new Fields(value ?? {}, file).only(['registries', 'aliases'])
  const registries = top.table('registries')
  const rules = (registries?.names ?? []).map((prefix) => {
    const f = registries!.table(prefix)!.only(['location', 'insecure', 'blocked', 'mirrors', 'ca', 'cert', 'key'])
    const { location, scheme } = place(f.text('location') ?? prefix)
    return {
      prefix: checkedPrefix(prefix, f),
      location: f.text('location') === undefined ? undefined : location,
      scheme,
      insecure: f.flag('insecure'),
      blocked: f.flag('blocked'),
      mirrors: f.list('mirrors').map((m, i) => yamlMirror(m, new Fields({ m }, file, `${prefix}.mirrors[${i}]`), file)),
      ca: f.text('ca'),
      cert: f.text('cert'),
      key: f.text('key'),
    }
  })
  return { file, rules, aliases: aliasesOf(top.table('aliases')), insecureNets: [] }
}

function yamlMirror(value: unknown, at: Fields, file: string): MirrorRule {
  if (typeof value === 'string') return { ...place(value), insecure: false, pulls: 'all' }
  const f = new Fields(value, file, 'mirrors').only(['location', 'insecure', 'pulls'])
  const location = f.text('location')
  if (location === undefined) throw at.wrong('location', 'set')
  const pulls = f.word('pulls', ['all', 'digest', 'tag'])
  return { ...place(location), insecure: f.flag('insecure') ?? false, pulls: pulls ?? 'all' }
}

/**
 * Reads docker's `daemon.json`: `registry-mirrors` (of Docker Hub) and `insecure-registries`.
 *
 * @throws TsboxError E_REGISTRY_CONFIG
 */
export function parseDaemonJson(value: unknown, file: string): RegistryRules {
  const f = new Fields(value, file)
  const mirrors = f.texts('registry-mirrors').map((url) => ({ ...place(url), insecure: false, pulls: 'all' as const }))
  const rules = mirrors.length ? [{ prefix: 'docker.io', mirrors }] : []
  return { file, rules, aliases: {}, insecureNets: f.texts('insecure-registries').map((r) => place(r).location) }
}

/**
 * Reads containers' `registries.conf`, version 2.
 *
 * @throws TsboxError E_REGISTRY_CONFIG, also for the older version
 * @see containers-registries.conf(5)
 */
export function parseRegistriesConf(value: unknown, file: string): RegistryRules {
  const top = new Fields(value, file)
  if (top.table('registries'))
    throw new TsboxError('E_REGISTRY_CONFIG', `read registry configuration: it is of version 1: "${file}"`, {
      hint: 'write it as version 2: [[registry]] tables, as containers-registries.conf(5) has them',
    })
  return {
    file,
    rules: top.tables('registry').map(confRule),
    aliases: aliasesOf(top.table('aliases')),
    insecureNets: [],
  }
}

function confRule(f: Fields): RegistryRule {
  const location = f.text('location')
  const prefix = f.text('prefix') ?? location
  if (prefix === undefined || prefix === '') throw f.wrong('prefix', 'set, nor is "location"')
  const digestOnly = f.flag('mirror-by-digest-only') ?? false
  const mirrors = f.tables('mirror').map((m): MirrorRule => {
    const at = m.text('location')
    if (at === undefined) throw m.wrong('location', 'set')
    const pulls = m.word('pull-from-mirror', ['all', 'digest-only', 'tag-only'])
    const narrow = pulls === 'digest-only' || digestOnly ? 'digest' : pulls === 'tag-only' ? 'tag' : 'all'
    return { location: at, insecure: m.flag('insecure') ?? false, pulls: narrow }
  })
  return {
    prefix: checkedPrefix(prefix, f),
    location: location === prefix ? undefined : location,
    insecure: f.flag('insecure'),
    blocked: f.flag('blocked'),
    mirrors,
  }
}

function aliasesOf(f: Fields | undefined): Record<string, string> {
  return Object.fromEntries((f?.names ?? []).map((n) => [n, f!.text(n) ?? '']).filter(([, to]) => to !== ''))
}

function checkedPrefix(prefix: string, f: Fields): string {
  const text = prefix.replace(/\/+$/, '')
  if (/^(?:\*\.)?[^\s/*@]+(?:\/[^\s*@]+)*$/.test(text)) return text
  throw f.wrong(prefix, 'a registry host, with a path at most')
}

/** `[http[s]://]host[:port][/path]` */
export function place(text: string): { location: string; scheme?: 'http' | 'https' | undefined } {
  const [, scheme, rest] = /^(?:(https?):\/\/)?(.*?)\/*$/s.exec(text)!
  return scheme === undefined ? { location: rest! } : { location: rest!, scheme: scheme as 'http' | 'https' }
}
