/** An incremental hash; portable code is handed a factory and never imports a hash itself. */
export interface Hasher {
  update(data: Uint8Array | string): Hasher
  /** Lower-case hex; the hasher can't be used afterwards. */
  hex(): string
}

/** Makes a fresh SHA-256. */
export type Sha256 = () => Hasher

/** Canonical JSON: object keys sorted, `undefined` left out, so that equal values hash equally. */
export function canonicalJson(value: unknown): string {
  if (value === null || typeof value !== 'object') return JSON.stringify(value) ?? 'null'
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`
  const fields = Object.entries(value as Record<string, unknown>)
    .filter(([, v]) => v !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
  return `{${fields.map(([k, v]) => `${JSON.stringify(k)}:${canonicalJson(v)}`).join(',')}}`
}
