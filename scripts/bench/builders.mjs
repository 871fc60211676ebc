// What builds one Dockerfile with tsbox and with its peers.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { buildWith } from './peers.mjs'

/** tsbox and every peer that builds, with one Dockerfile. */
export function builders(bench, context, options = {}) {
  const { podman, buildah, docker } = bench.peers
  const own = [
    'build',
    '-q',
    '--build-arg',
    `BASE=${bench.base}`,
    ...(options.cache === false ? ['--no-cache'] : []),
    context,
  ]
  return [
    { name: 'tsbox', command: [bench.tsbox, ...own], env: bench.env },
    ...[podman, buildah, docker]
      .filter((p) => !p.missing)
      .map((p) => ({ name: p.name, command: buildWith(p, context, options) })),
  ]
}

/** A context with a Dockerfile, in the bench's folder. @returns its path */
export function writeContext(bench, name, dockerfile) {
  const dir = join(bench.dir, name)
  mkdirSync(dir, { recursive: true })
  writeFileSync(join(dir, 'Dockerfile'), dockerfile)
  return dir
}
