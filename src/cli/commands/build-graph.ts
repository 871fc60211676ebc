import { extname } from 'node:path'
import { errnoCode, TsboxError } from '../../base/error.js'
import type { BuildGraph } from '../../engine/api.js'
import { writeFileAtomic } from '../../util/atomic.js'
import { randomId } from '../../util/random.js'
import { wrong } from './build-options.js'

/** A drawing that was asked for. */
export interface Drawing {
  /** Of a build or several, in order; the last is drawn. */
  graphs: BuildGraph[]
  /** Writes the file, where there is a graph. @throws TsboxError E_OUTPUT */
  write(): Promise<void>
}

/** `--graph FILE.svg` or `FILE.html`. @throws {UsageError} for another ending */
export function parseGraph(text: string, resolve: (path: string) => string): Drawing {
  const kind = extname(text).toLowerCase()
  if (kind !== '.svg' && kind !== '.html') throw wrong('graph', text, 'the name must end in .svg or .html')
  const file = resolve(text)
  const graphs: BuildGraph[] = []
  const write = async () => {
    const graph = graphs.at(-1)
    if (!graph) return
    // Loaded here only: the library that places the boxes is larger than a build needs.
    const { drawGraph } = await import('../graph/draw.js')
    const temp = `${file}.tsbox-${randomId()}`
    try {
      writeFileAtomic(file, drawGraph(graph, kind === '.html' ? 'html' : 'svg'), { temp, mode: 0o644 })
    } catch (err) {
      const code = errnoCode(err)
      if (code === undefined) throw err
      throw new TsboxError('E_OUTPUT', `write graph: ${code}: "${text}"`, { cause: err })
    }
  }
  return { graphs, write }
}
