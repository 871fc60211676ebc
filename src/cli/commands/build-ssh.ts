import { type Stats, statSync } from 'node:fs'
import { errnoCode, TsboxError } from '../../base/error.js'
import type { SshGrant } from '../../engine/api.js'
import { wrong } from './build-options.js'

/**
 * Reads all `--ssh default|ID[=SOCKET[,raw=true]|KEY[,KEY…]]`; without anything behind the id, the agent of SSH_AUTH_SOCK.
 *
 * @throws {UsageError} TsboxError E_SSH for what is no socket and no file
 * @see docker/buildx util/buildflags/ssh.go, moby/buildkit session/sshforward/sshprovider
 */
export function parseSsh(
  texts: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  resolve: (path: string) => string,
): Record<string, SshGrant> {
  const grants: Record<string, SshGrant> = {}
  for (const text of texts) {
    const [id, value] = text.split(/=(.*)/s) as [string, string | undefined]
    if (id === '') throw wrong('ssh', text, 'expected default, ID or ID=SOCKET|KEY[,KEY]')
    if (Object.hasOwn(grants, id)) throw wrong('ssh', text, `"${id}" is given twice`)
    const parts = (value ?? '').split(',').filter((p) => p !== '')
    const raw = parts.includes('raw=true')
    const paths = parts.filter((p) => !/^raw=(?:true|false)$/.test(p))
    if (raw && paths.length !== 1) throw wrong('ssh', text, 'raw=true needs one socket')
    grants[id] = paths.length ? grantOf(id, paths, raw, text, resolve) : ownAgent(id, env)
  }
  return grants
}

function ownAgent(id: string, env: Readonly<Record<string, string | undefined>>): SshGrant {
  const socket = env.SSH_AUTH_SOCK
  if (!socket)
    throw new TsboxError('E_SSH', `cannot forward ssh agent "${id}": SSH_AUTH_SOCK is not set`, {
      hint: `eval "$(ssh-agent)" && ssh-add, or --ssh ${id}=KEYFILE`,
    })
  if (!look(socket)?.isSocket())
    throw new TsboxError('E_SSH', `cannot forward ssh agent "${id}": SSH_AUTH_SOCK is no socket "${socket}"`, {
      hint: `eval "$(ssh-agent)" && ssh-add, or --ssh ${id}=KEYFILE`,
    })
  return { socket, raw: false }
}

function grantOf(
  id: string,
  paths: readonly string[],
  raw: boolean,
  text: string,
  resolve: (path: string) => string,
): SshGrant {
  const found = paths.map((path) => ({ path: resolve(path), stat: look(resolve(path)) }))
  const lost = found.find(({ stat }) => !stat?.isSocket() && !stat?.isFile())
  if (lost)
    throw new TsboxError('E_SSH', `cannot give ssh key "${id}": no file or socket "${lost.path}"`, {
      hint: 'give the file of a private key, or the socket of an agent',
    })
  const socket = found.find(({ stat }) => stat!.isSocket())
  if (!socket && raw) throw wrong('ssh', text, 'raw=true needs a socket')
  if (!socket) return { keys: found.map(({ path }) => path) }
  if (found.length > 1) throw wrong('ssh', text, 'one socket, or any number of keys')
  return { socket: socket.path, raw }
}

function look(path: string): Stats | undefined {
  try {
    return statSync(path)
  } catch (err) {
    if (errnoCode(err) === undefined) throw err
    return undefined
  }
}
