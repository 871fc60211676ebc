// Push and pull of a layer of 300 MB of this machine's own files, to and from docker-registry on loopback.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { race } from './measure.mjs'

const LAYER_BYTES = 300e6

function run(command, env = process.env) {
  const done = spawnSync(command[0], command.slice(1), { env, encoding: 'utf8', maxBuffer: 1 << 28 })
  if (done.status !== 0) throw new Error(`${command.join(' ')}: ${done.stderr ?? done.error}`)
  return done.stdout
}

/** Files of this machine, 300 MB in all, in the order of their names. */
function* someFiles(dir, left = { bytes: LAYER_BYTES }) {
  for (const name of readdirSync(dir).sort()) {
    const path = join(dir, name)
    const stat = lstatSync(path, { throwIfNoEntry: false })
    if (left.bytes <= 0 || !stat) return
    if (stat.isDirectory()) yield* someFiles(path, left)
    else if (stat.isFile() && (stat.mode & 0o444) === 0o444) {
      left.bytes -= stat.size
      yield path
    }
  }
}

/** An archive of one layer, made once. */
function layerTar(bench) {
  const tar = join(bench.dir, 'layer.tar')
  if (existsSync(tar)) return tar
  const list = join(bench.dir, 'layer.list')
  writeFileSync(list, `${[...someFiles('/usr')].map((p) => p.slice(1)).join('\n')}\n`)
  run(['tar', '-C', '/', '--hard-dereference', '--verbatim-files-from', '-T', list, '-cf', tar])
  return tar
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address()
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** Without a session skopeo looks for credentials where only another user may. */
function ownAuth({ dir, env }) {
  const file = join(dir, 'auth.json')
  writeFileSync(file, '{}')
  return { ...env, REGISTRY_AUTH_FILE: file }
}

/** Starts docker-registry; `empty` forgets all that it has. */
async function startRegistry(bench) {
  const port = await freePort()
  const dir = join(bench.dir, `registry-${port}`)
  mkdirSync(dir)
  const config = {
    version: '0.1',
    log: { level: 'error', accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: join(dir, 'data') }, delete: { enabled: true } },
    http: { addr: `127.0.0.1:${port}` },
  }
  writeFileSync(join(dir, 'config.yml'), JSON.stringify(config))
  const child = spawn('docker-registry', ['serve', join(dir, 'config.yml')], { stdio: 'ignore' })
  for (;;) {
    if (child.exitCode !== null) throw new Error('docker-registry does not start')
    const open = await new Promise((resolve) => {
      const socket = connect(port, '127.0.0.1')
      socket.on('connect', () => resolve(!socket.destroy().connecting))
      socket.on('error', () => resolve(false))
    })
    if (open) break
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return {
    host: `localhost:${port}`,
    data: join(dir, 'data'),
    empty: () => rmSync(join(dir, 'data'), { recursive: true, force: true }),
    stop: () => child.kill('SIGKILL'),
  }
}

/** Runs a case with a registry, or says what is missing for it. */
async function withRegistry(bench, work) {
  if (spawnSync('docker-registry', ['--version']).status !== 0)
    return [{ name: 'docker-registry', times: [], error: 'not installed' }]
  const registry = await startRegistry(bench)
  try {
    return await work(registry)
  } finally {
    registry.stop()
  }
}

function push(bench) {
  return withRegistry(bench, (registry) => {
    const tar = layerTar(bench)
    const image = `${registry.host}/bench/pushed:1`
    bench.pushed = image
    run([bench.tsbox, 'import', tar, image], bench.env)
    const { podman } = bench.peers
    const before = () => {
      registry.empty()
      // What was packed once would not be packed again.
      run([bench.tsbox, 'builder', 'prune', '-a', '-f'], bench.env)
    }
    const contenders = [{ name: 'tsbox', command: [bench.tsbox, 'push', '-q', image], env: bench.env, before }]
    if (!podman.missing) {
      run([...podman.global, 'import', '-q', tar, image])
      const command = [...podman.global, 'push', '-q', '--tls-verify=false', image]
      contenders.push({ name: 'podman', command, before })
    }
    const archive = join(bench.dir, 'pushed.tar')
    if (spawnSync('skopeo', ['--version']).status === 0) {
      run([bench.tsbox, 'save', '-o', archive, image], bench.env)
      const copy = ['skopeo', 'copy', '-q', '--dest-tls-verify=false', `oci-archive:${archive}`, `docker://${image}`]
      contenders.push({ name: 'skopeo copy', command: copy, env: ownAuth(bench), before })
    }
    return race(contenders, { rounds: bench.rounds(5) })
  })
}

function pull(bench) {
  return withRegistry(bench, (registry) => {
    const image = `${registry.host}/bench/pulled:1`
    run([bench.tsbox, 'import', layerTar(bench), image], bench.env)
    run([bench.tsbox, 'push', '-q', image], bench.env)
    const { podman } = bench.peers
    const env = { ...bench.env, TSBOX_ROOT: join(bench.dir, 'pull-store') }
    const forget = () => spawnSync(bench.tsbox, ['rmi', '-f', image], { env })
    const contenders = [
      { name: 'tsbox', command: [bench.tsbox, 'pull', '-q', image], env, before: forget },
      ...(podman.missing
        ? []
        : [
            {
              name: 'podman',
              command: [...podman.global, 'pull', '-q', '--tls-verify=false', image],
              // The layer also has another name there, if it was pushed before.
              before: () => {
                for (const name of [image, bench.pushed].filter(Boolean))
                  spawnSync(podman.global[0], [...podman.global.slice(1), 'rmi', '-f', name])
              },
            },
          ]),
    ]
    const out = join(bench.dir, 'pulled')
    const fresh = () => {
      rmSync(out, { recursive: true, force: true })
      mkdirSync(out)
    }
    if (spawnSync('skopeo', ['--version']).status === 0) {
      const copy = ['skopeo', 'copy', '-q', '--src-tls-verify=false', `docker://${image}`, `dir:${out}`]
      contenders.push({ name: 'skopeo copy dir:', command: copy, env: ownAuth(bench), before: fresh })
    }
    contenders.push({
      name: 'gunzip | tar x',
      command: ['sh', '-c', `gunzip -c '${blobOf(registry)}' | tar -x -C '${out}'`],
      before: fresh,
    })
    return race(contenders, { rounds: bench.rounds(5) })
  })
}

/** The layer as the registry keeps it: its largest file. */
function blobOf(registry) {
  const dir = join(registry.data, 'docker/registry/v2/blobs/sha256')
  const files = readdirSync(dir, { recursive: true }).filter((f) => f.endsWith('/data'))
  return files.map((f) => join(dir, f)).sort((a, b) => readFileSync(b).length - readFileSync(a).length)[0]
}

export const registryCases = [
  { name: 'push', title: 'push of a layer of 300 MB', run: push },
  { name: 'pull', title: 'pull of a layer of 300 MB', run: pull },
]
