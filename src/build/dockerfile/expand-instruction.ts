import type { InlineSource, Instruction, StageInstruction } from './instruction.js'
import { parseMount } from './mount.js'
import { type ExpandOptions, type Expansion, expand, isPlain, type Lookup } from './shell-lex.js'

/** Settings of {@link expandInstruction}. */
export interface InstructionExpandOptions extends Pick<ExpandOptions, 'escape'> {
  /** Told of every word that had something to expand, with the names that it looked up. */
  onWord?: ((expansion: Expansion) => void) | undefined
}

/**
 * A copy of an instruction in which the words that BuildKit expands are expanded, and mounts are read. An instruction
 * sees one value of a variable throughout: `ENV a=1 b=$a` uses what `a` was before. Defaults of ARG are left alone,
 * because one that `--build-arg` replaces is never looked at.
 *
 * @throws TsboxError E_DOCKERFILE without a location
 * @see Dockerfile reference, "Environment replacement"
 */
export function expandInstruction<I extends StageInstruction>(
  instruction: I,
  env: Lookup,
  options: InstructionExpandOptions = {},
): I {
  const expander = new Expander(env, options)
  return { ...instruction, ...expander.fields(instruction) } as I
}

class Expander {
  readonly #env: Lookup
  readonly #options: InstructionExpandOptions

  constructor(env: Lookup, options: InstructionExpandOptions) {
    this.#env = env
    this.#options = options
  }

  /** The fields that change. */
  fields(i: Instruction): Partial<Instruction> {
    switch (i.type) {
      case 'env':
      case 'label':
        return { pairs: i.pairs.map((p) => ({ ...p, key: this.#word(p.key), value: this.#word(p.value) })) }
      case 'copy':
      case 'add':
        return {
          chown: this.#word(i.chown),
          chmod: this.#word(i.chmod),
          ...(i.type === 'add' ? { checksum: this.#word(i.checksum) } : {}),
          sources: i.sources.map((s) => this.#word(s)),
          inline: i.inline.map((f) => this.#inline(f)),
          dest: this.#word(i.dest),
        }
      case 'run':
        return { mounts: i.mounts.map((m) => parseMount(m.spec, (w) => this.#word(w))) }
      case 'workdir':
        return { path: this.#word(i.path) }
      case 'user':
        return { user: this.#word(i.user) }
      case 'volume':
        return { volumes: i.volumes.map((v) => this.#word(v)) }
      case 'stopsignal':
        return { signal: this.#word(i.signal) }
      case 'expose':
        return { ports: i.ports.flatMap((p) => expand(p, this.#env, this.#lexing()).words) }
      default:
        return {}
    }
  }

  #word(word: string): string {
    if (isPlain(word)) return word
    const expansion = expand(word, this.#env, this.#lexing())
    this.#options.onWord?.(expansion)
    return expansion.text
  }

  /** Content of a here-document: quotes mean nothing, and a backslash always escapes, whatever `# escape=` says. */
  #inline(file: InlineSource): InlineSource {
    if (!file.expand) return file
    const expansion = expand(file.data, this.#env, { escape: '\\', ignoreQuotes: true })
    this.#options.onWord?.(expansion)
    return { ...file, data: expansion.text }
  }

  #lexing(): ExpandOptions {
    return this.#options.escape === undefined ? {} : { escape: this.#options.escape }
  }
}
