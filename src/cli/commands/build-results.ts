import { renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { errnoCode, TsboxError } from '../../base/error.js'
import type { ProgressSink, WarningEvent } from '../../build/progress/event.js'
import type { BuildOutcome } from '../../engine/api.js'
import { sortedByName } from '../../oci/manifest.js'
import { randomId } from '../../util/random.js'
import { vertexDigest, vertexWarning } from '../progress/rawjson.js'
import type { CallResult } from './build-call.js'

/**
 * What `--metadata-file` says of a build, by buildx's names.
 *
 * @param warnings undefined where nobody asked for them
 * @see https://docs.docker.com/reference/cli/docker/buildx/build/#metadata-file
 */
function buildMetadata(
  { image, imageID, created }: BuildOutcome,
  warnings: readonly { digest: string; event: WarningEvent }[] | undefined,
): Record<string, unknown> {
  const metadata: Record<string, unknown> = {}
  if (image) {
    const { descriptor, names } = image
    const more = { 'config.digest': imageID, ...(created ? { 'org.opencontainers.image.created': created } : {}) }
    const { mediaType, digest, size } = descriptor
    const annotations = sortedByName({ ...descriptor.annotations, ...more })
    metadata['containerimage.config.digest'] = imageID
    metadata['containerimage.descriptor'] = { mediaType, digest, size, annotations }
    metadata['containerimage.digest'] = digest
    if (names.length) metadata['image.name'] = names.join(',')
  }
  if (warnings)
    metadata['buildx.build.warnings'] = warnings.map(({ digest, event }) => ({
      vertex: digest,
      ...vertexWarning(event),
    }))
  return sortedByName(metadata)
}

/** The files that `--iidfile` and `--metadata-file` name, both absolute. */
export class ResultFiles {
  readonly #iidfile: string | undefined
  readonly #metadata: string | undefined
  #warnings: { digest: string; event: WarningEvent }[] | undefined

  /** @throws TsboxError E_OUTPUT where an earlier result can't be removed: a build that fails must leave none */
  constructor(iidfile: string | undefined, metadata: string | undefined) {
    this.#iidfile = iidfile
    this.#metadata = metadata
    if (iidfile !== undefined) guarded(iidfile, () => removeFile(iidfile))
  }

  /** Collects the warnings of a build where BUILDX_METADATA_WARNINGS asks for them, and passes everything on. */
  listener(env: Readonly<Record<string, string | undefined>>, next: ProgressSink): ProgressSink {
    if (this.#metadata === undefined || !/^(1|t|true)$/i.test(env.BUILDX_METADATA_WARNINGS ?? '')) return next
    const digests = new Map<number, string>()
    const warnings: { digest: string; event: WarningEvent }[] = []
    this.#warnings = warnings
    return (event) => {
      if (event.type === 'vertex') digests.set(event.id, event.digest)
      else if (event.type === 'warning') warnings.push({ digest: vertexDigest(digests.get(event.id) ?? ''), event })
      next(event)
    }
  }

  /** @throws TsboxError E_OUTPUT */
  write(outcome: BuildOutcome): void {
    if (this.#iidfile !== undefined) writeWhole(this.#iidfile, outcome.imageID)
    if (this.#metadata !== undefined) writeJson(this.#metadata, buildMetadata(outcome, this.#warnings))
  }

  /** What a `--call` answered. @throws TsboxError E_OUTPUT */
  writeCall({ json, text }: Pick<CallResult, 'json' | 'text'>): void {
    if (this.#metadata !== undefined) writeJson(this.#metadata, { 'result.json': json, 'result.txt': text })
  }
}

function writeJson(file: string, value: unknown): void {
  writeWhole(file, `${JSON.stringify(value, null, 2)}\n`)
}

/** Devices and pipes stay. */
function removeFile(file: string): void {
  if (statSync(file, { throwIfNoEntry: false })?.isFile()) rmSync(file, { force: true })
}

/** By rename; into a device or a pipe where the name is one's. */
function writeWhole(file: string, text: string): void {
  guarded(file, () => {
    const there = statSync(file, { throwIfNoEntry: false })
    if (there && !there.isFile()) return writeFileSync(file, text)
    const temp = `${file}.tsbox-${randomId()}`
    try {
      writeFileSync(temp, text, { flag: 'wx', mode: 0o644 })
      renameSync(temp, file)
    } finally {
      rmSync(temp, { force: true })
    }
  })
}

function guarded(file: string, task: () => void): void {
  try {
    task()
  } catch (err) {
    const code = errnoCode(err)
    if (code === undefined) throw err
    throw new TsboxError('E_OUTPUT', `write result: ${code}: "${file}"`, {
      cause: err,
      hint: 'name a file in a folder where you may write',
    })
  }
}
