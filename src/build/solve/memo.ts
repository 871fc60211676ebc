import type { Vertex } from '../graph/vertex.js'

/** What is made once for each vertex, whoever asks first. */
export function memo<T>(map: Map<Vertex, Promise<T>>, v: Vertex, make: () => Promise<T>): Promise<T> {
  let made = map.get(v)
  if (!made) {
    made = make()
    // Whoever waits for it hears of the failure; one that nobody waits for any more must not end the process.
    made.catch(() => {})
    map.set(v, made)
  }
  return made
}

/** Whether all vertices pass; all are asked at once. */
export async function all(vertices: readonly Vertex[], test: (v: Vertex) => Promise<boolean>): Promise<boolean> {
  return (await Promise.all(vertices.map(test))).every((ok) => ok)
}
