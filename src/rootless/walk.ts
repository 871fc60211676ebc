import type { EntrySink } from '../layer/entry.js'
import { decodeEntry } from './entry-codec.js'
import { F, Payload } from './frames.js'
import { type Lane, request } from './lane.js'

/** One walk over a lane: see `AgentApi.walk`. */
export function walk(lane: Lane, dir: string, options: { content: boolean }, sink: EntrySink): Promise<void> {
  return request(lane, (w) => w.begin(F.WALK).str(dir).flag(options.content).end(), {
    frame(type, payload) {
      if (type === F.ENTRY) sink.entry(decodeEntry(new Payload(payload)))
    },
    data: (_type, piece) => sink.data(piece),
  })
}
