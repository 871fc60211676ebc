import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const APT = '/etc/apt'
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg'

/**
 * The machine's own way to a Debian release, as files below /etc/apt of a root file system of that release: sources of
 * it that Debian signed, and settings of how to fetch. Empty where this machine has another release: then the root's
 * own sources stand.
 */
export function aptFiles(release: string): Record<string, string> {
  const settings = fetchSettings()
  const files: Record<string, string> = settings ? { 'apt.conf.d/80machine': settings } : {}
  const stanzas: string[] = []
  const lines: string[] = []
  for (const { name, text } of sourceFiles()) {
    if (name.endsWith('.sources')) stanzas.push(...usableStanzas(text, release))
    else lines.push(...text.split('\n').filter((l) => isUsableLine(l, release)))
  }
  if (!stanzas.length && !lines.length) return files
  files['sources.list'] = `${lines.join('\n')}\n`
  if (stanzas.length) files['sources.list.d/machine.sources'] = `${stanzas.join('\n\n')}\n`
  return files
}

function sourceFiles(): { name: string; text: string }[] {
  const parts = join(APT, 'sources.list.d')
  const names = existsSync(parts) ? readdirSync(parts).map((n) => join('sources.list.d', n)) : []
  return ['sources.list', ...names]
    .filter((name) => /\.(list|sources)$/.test(name) && existsSync(join(APT, name)))
    .map((name) => ({ name, text: readFileSync(join(APT, name), 'utf8') }))
}

/** @see sources.list(5), DEB822-STYLE FORMAT */
function usableStanzas(text: string, release: string): string[] {
  return text.split(/\n\s*\n/).filter((stanza) => {
    const field = (name: string) => new RegExp(`^${name}:(.*(?:\\n[ \\t].*)*)`, 'im').exec(stanza)?.[1]?.trim()
    const suites = field('Suites')?.split(/\s+/) ?? []
    const key = field('Signed-By')
    if (/^no$/i.test(field('Enabled') ?? 'yes') || !/\bdeb\b/.test(field('Types') ?? '')) return false
    return suites.some((s) => isOf(s, release)) && (key === undefined || key === KEYRING)
  })
}

/** @see sources.list(5), ONE-LINE-STYLE FORMAT */
function isUsableLine(line: string, release: string): boolean {
  const found = /^\s*deb\s+(?:\[([^\]]*)\]\s+)?\S+\s+(\S+)/.exec(line)
  if (!found || !isOf(found[2]!, release)) return false
  const key = /signed-by=(\S+)/.exec(found[1] ?? '')?.[1]
  return key === undefined || key === KEYRING
}

function isOf(suite: string, release: string): boolean {
  return suite === release || suite.startsWith(`${release}-`)
}

/** Proxies, time-outs, checks of dates: what decides whether this machine can fetch. */
function fetchSettings(): string {
  const dump = spawnSync('apt-config', ['dump', 'Acquire'], { encoding: 'utf8' }).stdout ?? ''
  const wanted =
    /^Acquire::(?:Check-|Retries|ForceIPv|Max-|https?::(?:[^" ]*::)?(?:Proxy|Timeout|Verify|Dl-Limit))[^ ]* "[^"]+";$/
  return dump
    .split('\n')
    .filter((l) => wanted.test(l))
    .map((l) => `${l}\n`)
    .join('')
}
