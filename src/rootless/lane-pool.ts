import { HelperError } from './error.js'
import type { Lane } from './lane.js'

/** Lends lanes, one borrower each; who finds none waits, first come, first served. */
export class LanePool {
  private readonly free: Lane[]
  private readonly waiting: { resolve(lane: Lane): void; reject(err: unknown): void }[] = []
  private alive: number

  constructor(lanes: readonly Lane[]) {
    this.free = [...lanes]
    this.alive = lanes.length
  }

  /** @throws {HelperError} when no lane is left, because the helper is gone */
  async borrow(): Promise<Lane> {
    for (let lane = this.free.pop(); lane; lane = this.free.pop()) {
      if (!lane.closed) return this.hold(lane)
      this.alive--
    }
    if (this.alive <= 0) throw gone()
    return this.hold(await new Promise<Lane>((resolve, reject) => this.waiting.push({ resolve, reject })))
  }

  give(lane: Lane): void {
    lane.hold(false)
    if (lane.closed) {
      this.alive--
      if (this.alive <= 0) for (const w of this.waiting.splice(0)) w.reject(gone())
      return
    }
    const next = this.waiting.shift()
    if (next) next.resolve(lane)
    else this.free.push(lane)
  }

  private hold(lane: Lane): Lane {
    lane.hold(true)
    return lane
  }
}

function gone(): HelperError {
  return new HelperError('helper', '', '')
}
