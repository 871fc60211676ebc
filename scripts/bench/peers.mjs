// The peers that are installed and work for this user, each with storage of its own that is removed afterwards.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
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

/**
 * Podman or buildah, which share options and storage; the first driver with which a step runs is taken.
 *
 * @param archive docker-archive of an image with a shell and `true`
 * @returns `missing` says why it can't be used
 */
export function findTool(name, dir, archive) {
  const version = probe([name, '--version'])
  if (!version) return { name, missing: 'not installed' }
  const failures = []
  for (const driver of ['overlay', 'vfs']) {
    const peer = { name, version, driver, home: join(dir, name, driver) }
    mkdirSync(peer.home, { recursive: true })
    const storage = ['--root', join(peer.home, 'root'), '--runroot', join(peer.home, 'run'), '--storage-driver', driver]
    peer.runtime = probe(['runc', '--version']) ? ['--runtime', 'runc'] : []
    peer.global = [name, ...(name === 'podman' ? peer.runtime : []), ...storage]
    const failed = tryPeer(peer, archive)
    if (!failed) return peer
    failures.push(`${driver}: ${failed}`)
    removeStorage(peer)
  }
  return { name, version, missing: failures.join('; ') }
}

/** Loads the base and runs a step on it. @returns what went wrong */
function tryPeer(peer, archive) {
  const run = (...args) => spawnSync(peer.global[0], [...peer.global.slice(1), ...args], { encoding: 'utf8' })
  const loaded = run(
    ...(peer.name === 'podman' ? ['load', '-q', '-i', archive] : ['pull', '-q', `docker-archive:${archive}`]),
  )
  if (loaded.status !== 0) return lastLine(loaded.stderr)
  peer.image = loaded.stdout.trim().split(/\s+/).at(-1)
  writeFileSync(join(peer.home, 'Dockerfile'), 'ARG BASE\nFROM ${BASE}\nRUN true\n')
  const command = buildWith(peer, peer.home, { cache: false })
  const built = spawnSync(command[0], command.slice(1), { encoding: 'utf8' })
  if (built.status !== 0) return lastLine(built.stderr)
  if (peer.name !== 'podman') return undefined
  const ran = run('run', '--rm', '--network', 'none', peer.image, 'true')
  return ran.status === 0 ? undefined : lastLine(ran.stderr)
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
  const peers = [findTool('podman', dir, archive), findTool('buildah', dir, archive), docker(archive), bubblewrap()]
  return Object.fromEntries(peers.map((peer) => [peer.name, peer]))
}

/** Storage may hold files of mapped ids, which only the peer can remove, and a mount of itself. */
function removeStorage({ name, global, home }) {
  probe([...global, ...(name === 'podman' ? ['system', 'reset', '-f'] : ['rmi', '-a', '-f'])])
  probe(['umount', join(home, 'root', 'overlay')])
}

/** Removes everything that was measured with. */
export function removePeers(peers, dir) {
  for (const peer of Object.values(peers)) if (peer.home) removeStorage(peer)
  // What is left belongs to mapped ids: only their owner's namespace may remove it.
  if (probe(['rm', '-rf', dir]) === undefined) probe(['podman', 'unshare', 'rm', '-rf', dir])
  if (existsSync(dir)) throw new Error(`could not remove ${dir}`)
}

/** The command that builds a folder with a peer. */
export function buildWith(peer, context, { cache = true, jobs } = {}) {
  const parallel = jobs && peer.name !== 'docker' ? ['--jobs', String(jobs)] : []
  const base = ['--build-arg', `BASE=${peer.image}`, ...(cache ? [] : ['--no-cache']), ...parallel, '-q', context]
  if (peer.name === 'buildah')
    return [...peer.global, 'build', '--layers', ...peer.runtime, '--network', 'none', ...base]
  return [...peer.global, 'build', '--network', 'none', ...base]
}
