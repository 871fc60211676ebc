import { readdirSync } from 'node:fs'
import { join } from 'node:path'

/** Paths of files below a folder whose names end so. */
export function filesBelow(dir: string, end: string): string[] {
  const names = readdirSync(dir, { recursive: true }).map(String)
  return names.filter((name) => name.endsWith(end)).map((name) => join(dir, name))
}
