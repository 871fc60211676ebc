import type { EntrySource, EntryWithContent } from '../layer/entry.js'
import { encodeEntry } from './entry-codec.js'
import { F, FrameWriter } from './frames.js'
import { type Lane, request } from './lane.js'

/** Frames are gathered up to this many bytes; content is cut into pieces of at most as many. */
const BATCH = 128 * 1024

/** One apply over a lane: see `AgentApi.apply`. */
export function apply(lane: Lane, dir: string, source: EntrySource): Promise<void> {
  return send(
    lane,
    request(lane, (w) => w.begin(F.APPLY).str(dir).end()),
    source,
  )
}

/** Sends entries to one who has said that it takes them. @throws {HelperError} */
export function feedEntries(lane: Lane, source: EntrySource): Promise<void> {
  return send(
    lane,
    request(lane, () => {}),
    source,
  )
}

async function send(lane: Lane, answer: Promise<void>, source: EntrySource): Promise<void> {
  const feed = new Feed(lane)
  // The answer may come early, and then it is a failure: the source is not asked for more.
  answer.then(feed.stop, feed.stop)
  try {
    for await (const item of source) {
      if (feed.stopped) break
      await feed.item(item)
    }
  } catch (err) {
    // Without the missing content the helper fails too; the source's own error says more.
    feed.end()
    await answer.catch(() => {})
    throw err
  }
  feed.end()
  await answer
}

class Feed {
  stopped = false
  private readonly writer = new FrameWriter(2 * BATCH)
  private readonly lane: Lane

  constructor(lane: Lane) {
    this.lane = lane
  }

  readonly stop = (): void => {
    this.stopped = true
  }

  async item({ entry, content }: EntryWithContent): Promise<void> {
    encodeEntry(this.writer, entry)
    if (this.writer.size > BATCH) await this.flush()
    if (entry.type !== 'file' || entry.size === 0 || content === undefined) return
    for await (const chunk of content) {
      for (let at = 0; at < chunk.length; at += BATCH) {
        this.writer
          .begin(F.DATA)
          .bytes(chunk.subarray(at, at + BATCH))
          .end()
        if (this.writer.size > BATCH) await this.flush()
      }
      if (this.stopped) return
    }
  }

  end(): void {
    this.writer.begin(F.END).end()
    this.lane.send(this.writer.take())
  }

  private async flush(): Promise<void> {
    if (!this.lane.send(this.writer.take())) await this.lane.drained()
  }
}
