import { TsboxError } from '../../base/error.js'

/** Reads fields of a JSON object that a user wrote; what is not as it should be is an error that names its place. */
export class FieldReader {
  readonly #value: Readonly<Record<string, unknown>>
  readonly #file: string
  readonly #path: string

  /** @throws TsboxError where `value` is no object */
  constructor(value: unknown, file: string, path: string) {
    this.#file = file
    this.#path = path
    this.#value = {}
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw this.wrong('', 'it is no object')
    this.#value = value as Record<string, unknown>
  }

  /** An error about a field. */
  wrong(field: string, why: string): TsboxError {
    const at = [this.#path, field].filter(Boolean).join('.') || 'the profile'
    return new TsboxError('E_SECCOMP_PROFILE', `seccomp profile: ${why}: ${at} of "${this.#file}"`, {
      exitCode: 125,
      hint: "see docker's format: https://docs.docker.com/engine/security/seccomp/",
    })
  }

  text(field: string): string {
    const value = this.optionalText(field)
    if (value === undefined) throw this.wrong(field, 'it is missing')
    return value
  }

  /** Undefined for a missing or empty one. */
  optionalText(field: string): string | undefined {
    const value = this.#get(field)
    if (value === undefined || value === '') return undefined
    if (typeof value !== 'string') throw this.wrong(field, 'it is no text')
    return value
  }

  /** Empty for a missing one. */
  texts(field: string): string[] {
    return this.#list(field).map((value, i) => {
      if (typeof value !== 'string') throw this.wrong(`${field}[${i}]`, 'it is no text')
      return value
    })
  }

  objects(field: string): FieldReader[] {
    return this.#list(field).map((value, i) => this.#at(value, `${field}[${i}]`))
  }

  optionalObject(field: string): FieldReader | undefined {
    const value = this.#get(field)
    return value === undefined ? undefined : this.#at(value, field)
  }

  /** 0 for a missing one. */
  integer(field: string, max: number): number {
    return this.optionalInteger(field, max) ?? 0
  }

  optionalInteger(field: string, max: number): number | undefined {
    const value = this.#get(field)
    if (value === undefined) return undefined
    if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > max)
      throw this.wrong(field, `it is no number from 0 to ${max}`)
    return value
  }

  /** An unsigned number of 64 bits; 0 for a missing one. */
  big(field: string): bigint {
    const value = this.#get(field) ?? 0
    const digits = typeof value === 'number' ? String(value) : value
    if (typeof digits !== 'string' || !/^\d+$/.test(digits) || BigInt(digits) > 0xffffffffffffffffn)
      throw this.wrong(field, 'it is no unsigned number of 64 bits')
    return BigInt(digits)
  }

  #get(field: string): unknown {
    // What is not the object's own (`constructor`) is not there, and null is as if it were not.
    return Object.hasOwn(this.#value, field) ? (this.#value[field] ?? undefined) : undefined
  }

  #list(field: string): unknown[] {
    const value = this.#get(field) ?? []
    if (!Array.isArray(value)) throw this.wrong(field, 'it is no list')
    return value
  }

  #at(value: unknown, path: string): FieldReader {
    return new FieldReader(value, this.#file, [this.#path, path].filter(Boolean).join('.'))
  }
}
