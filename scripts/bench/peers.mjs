// The peers that are installed and work for this user, each with storage of its own that is removed afterwards.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'

/** Runs; undefined where it is not installed or fails. */
function probe(command, options = {}) {
  const done = spawnSync(command[0], command.slice(1), {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    ...options,
  })
  return done.status === 0 ? done.stdout.trim() : undefined
}

const lastLine = (text) => (text ?? '').trim().split('\n').at(-1)

/** Podman and Buildah share options and storage; the first driver with which a container runs is taken. */
function containersTool(name, dir, archive) {
  const version = probe([name, '--version'])
  if (!version) return { name, missing: 'not installed' }
  const runtime = name === 'podman' && probe(['runc', '--version']) ? ['--runtime', 'runc'] : []
  const failures = []
  for (const driver of ['overlay', 'vfs']) {
    const home = join(dir, name, driver)
    mkdirSync(home, { recursive: true })
    const global = [
      name,
      ...runtime,
      '--root',
      join(home, 'root'),
      '--runroot',
      join(home, 'run'),
      '--storage-driver',
      driver,
    ]
    const loaded = spawnSync(global[0], [...global.slice(1), ...loadCommand(name, archive)], { encoding: 'utf8' })
    if (loaded.status !== 0) failures.push(`${driver}: ${lastLine(loaded.stderr)}`)
    else {
      const image = loaded.stdout.trim().split(/\s+/).at(-1)
      const tested = spawnSync(global[0], [...global.slice(1), ...testCommand(name, image)], { encoding: 'utf8' })
      if (name === 'buildah' || tested.status === 0) return { name, version, driver, global, image, home }
      failures.push(`${driver}: ${lastLine(tested.stderr)}`)
    }
  }
  return { name, version, missing: failures.join('; ') }
}

function loadCommand(name, archive) {
  return name === 'podman' ? ['load', '-q', '-i', archive] : ['pull', '-q', `docker-archive:${archive}`]
}

function testCommand(name, image) {
  return name === 'podman' ? ['run', '--rm', '--network', 'none', image, 'true'] : ['images', '-q']
}

/** Docker where its daemon answers. */
function docker(archive) {
  if (!probe(['docker', '--version'])) return { name: 'docker', missing: 'not installed' }
  const version = probe(['docker', 'version', '--format', '{{.Server.Version}}'])
  if (!version) return { name: 'docker', missing: 'no daemon answers' }
  const loaded = probe(['docker', 'load', '-q', '-i', archive])
  if (!loaded) return { name: 'docker', missing: 'cannot load the base image' }
  return { name: 'docker', version, global: ['docker'], image: loaded.split(/\s+/).at(-1) }
}

/** Bubblewrap needs no image; it shows what namespaces alone cost. */
function bubblewrap() {
  const version = probe(['bwrap', '--version'])
  if (!version) return { name: 'bwrap', missing: 'not installed' }
  const command = ['bwrap', '--unshare-all', '--ro-bind', '/', '/', '--proc', '/proc', '--dev', '/dev', 'true']
  return probe(command) === undefined
    ? { name: 'bwrap', version, missing: 'cannot make namespaces here' }
    : { name: 'bwrap', version, command }
}

/**
 * @param archive docker-archive of the base image that all build on
 * @returns peers by name; those with `missing` can't be measured and say why
 */
export function findPeers(dir, archive) {
  const peers = [
    containersTool('podman', dir, archive),
    containersTool('buildah', dir, archive),
    docker(archive),
    bubblewrap(),
  ]
  return Object.fromEntries(peers.map((peer) => [peer.name, peer]))
}

/** Their storage may hold files of mapped ids, which only they can remove. */
export function removePeers(peers, dir) {
  for (const { name, global, home, missing } of Object.values(peers)) {
    if (missing || !home) continue
    probe([...global, ...(name === 'podman' ? ['system', 'reset', '-f'] : ['rmi', '-a', '-f'])])
  }
  const left = join(dir)
  rmSync(left, { recursive: true, force: true })
  if (existsSync(left)) throw new Error(`could not remove ${left}`)
}

/** The command that builds a folder with a peer. */
export function buildWith(peer, context, { cache = true, jobs } = {}) {
  const parallel = jobs && peer.name !== 'docker' ? ['--jobs', String(jobs)] : []
  const base = ['--build-arg', `BASE=${peer.image}`, ...(cache ? [] : ['--no-cache']), ...parallel, '-q', context]
  if (peer.name === 'buildah') return [...peer.global, 'build', '--layers', '--network', 'none', ...base]
  return [...peer.global, 'build', '--network', 'none', ...base]
}
