import { closeSync, openSync, renameSync, rmSync, writeSync } from 'node:fs'
import { errnoCode, TsboxError } from '../../base/error.js'
import { defineCommand, text } from '../command.js'
import { withSpinner } from '../spinner.js'
import { UsageError } from '../usage-error.js'

export const command = defineCommand({
  synopsis: '[OPTIONS] IMAGE [IMAGE...]',
  summary: 'Save images to one archive that is an OCI layout and a docker archive',
  arguments: [1, Number.POSITIVE_INFINITY],
  options: { output: text('File to write (default standard output)', 'o') },
  refused: { platform: 'tsbox stores images of one platform' },
  async run(values, references, { engine, shell, resolve }) {
    if (values.output !== undefined) {
      const images = (await engine()).images
      const path = resolve(values.output)
      await withSpinner(shell, `Saving to ${values.output}`, () =>
        writeFileWhole(path, (write) => images.save(references, write)),
      )
      return undefined
    }
    if (shell.stdout.isTerminal) {
      throw new UsageError('cowardly refusing to save to a terminal', {
        exitCode: 1,
        hint: 'use the -o option or redirect',
      })
    }
    await (await engine()).images.save(references, (chunk) => shell.stdout.write(chunk))
    return undefined
  },
})

/** Writes a file beside its name and renames it: a failure leaves what was there. */
async function writeFileWhole(
  path: string,
  fill: (write: (chunk: Uint8Array) => void) => Promise<void>,
): Promise<void> {
  const part = `${path}.${process.pid}.part`
  try {
    const fd = openSync(part, 'wx', 0o644)
    try {
      await fill((chunk) => {
        for (let at = 0; at < chunk.length; ) at += writeSync(fd, chunk, at)
      })
    } finally {
      closeSync(fd)
    }
    renameSync(part, path)
  } catch (err) {
    rmSync(part, { force: true })
    if (err instanceof TsboxError || errnoCode(err) === undefined) throw err
    throw new TsboxError('E_WRITE', `cannot save to "${path}": ${(err as Error).message}`, { cause: err })
  }
}
