import { TsboxError } from '../../base/error.js'

/** Reads fields of a configuration file; what has another type than it should is an error that names file and field. */
export class Fields {
  readonly #value: Readonly<Record<string, unknown>>
  readonly #file: string
  readonly #path: string

  /** @throws TsboxError E_REGISTRY_CONFIG where `value` is no table */
  constructor(value: unknown, file: string, path = '') {
    this.#file = file
    this.#path = path
    if (value === null || typeof value !== 'object' || Array.isArray(value)) throw this.wrong('', 'a table')
    this.#value = value as Record<string, unknown>
  }

  /** Names that are there. */
  get names(): string[] {
    return Object.keys(this.#value)
  }

  text(name: string): string | undefined {
    return this.#typed(name, 'a text', (v) => typeof v === 'string') as string | undefined
  }

  flag(name: string): boolean | undefined {
    return this.#typed(name, 'true or false', (v) => typeof v === 'boolean') as boolean | undefined
  }

  list(name: string): readonly unknown[] {
    return (this.#typed(name, 'a list', Array.isArray) as unknown[] | undefined) ?? []
  }

  texts(name: string): readonly string[] {
    const all = this.list(name)
    if (all.every((v) => typeof v === 'string')) return all as string[]
    throw this.wrong(name, 'a list of texts')
  }

  table(name: string): Fields | undefined {
    const value = this.#value[name]
    return value === undefined || value === null
      ? undefined
      : new Fields(value, this.#file, this.#path === '' ? name : `${this.#path}.${name}`)
  }

  tables(name: string): Fields[] {
    return this.list(name).map((v, i) => new Fields(v, this.#file, `${this.#path}${name}[${i}]`))
  }

  /** One of a few words. */
  word<T extends string>(name: string, words: readonly T[]): T | undefined {
    const given = this.text(name)
    const known = words.find((w) => w === given)
    if (given !== undefined && known === undefined) throw this.wrong(name, words.join(', '))
    return known
  }

  /** @throws TsboxError E_REGISTRY_CONFIG for a field that nobody reads: it is more likely a slip than a wish */
  only(names: readonly string[]): this {
    const other = this.names.find((n) => !names.includes(n))
    if (other === undefined) return this
    throw new TsboxError('E_REGISTRY_CONFIG', `read registry configuration: unknown field "${this.#name(other)}"`, {
      hint: `in ${this.#file}; known are ${names.join(', ')}`,
    })
  }

  wrong(name: string, wanted: string): TsboxError {
    return new TsboxError(
      'E_REGISTRY_CONFIG',
      `read registry configuration: not ${wanted}: "${this.#name(name)}" in "${this.#file}"`,
    )
  }

  #name(name: string): string {
    return [this.#path, name].filter(Boolean).join('.')
  }

  #typed(name: string, wanted: string, is: (value: unknown) => boolean): unknown {
    const value = this.#value[name]
    if (value === undefined || value === null) return undefined
    if (!is(value)) throw this.wrong(name, wanted)
    return value
  }
}
