import type { Entry } from '../../layer/entry.js'
import type { Command } from '../../wasm/command.js'
import type { CommandMount } from '../../wasm/mounts.js'
import type { LayerFiles } from './lower.js'

/** A mount as it crosses to the worker: a bind names files, as a tree can't be sent. */
export type JobMount =
  | Exclude<CommandMount, { type: 'bind' }>
  | (Omit<Extract<CommandMount, { type: 'bind' }>, 'source'> & { layers: readonly LayerFiles[] })

/** What the worker is started with. */
export interface Job extends Omit<Command, 'mounts'> {
  mounts: readonly JobMount[]
  layers: readonly LayerFiles[]
  /** Seconds: a virtual clock and seeded random numbers; undefined takes the machine's. */
  epoch?: number | undefined
}

/** What the worker sends, in order; the last is `done` or `failed`. */
export type Message =
  | { type: 'stdout' | 'stderr' | 'data'; chunk: Uint8Array<ArrayBuffer> }
  | { type: 'entry'; entry: Entry }
  | { type: 'done'; exitCode: number }
  | { type: 'failed'; code: string; message: string; hint?: string | undefined; exitCode: number }
