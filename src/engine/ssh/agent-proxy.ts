import { connect, createServer, type Socket } from 'node:net'
import type { SshAgent } from '../../build/seams.js'
import type { Lease } from '../../store/lease.js'
import { socketDir } from '../../util/socket-dir.js'

/** A socket of one step, behind which an agent is. */
export interface AgentProxy {
  /** Its path; the file is this user's until somebody gives it another owner. */
  path: string
  /** Ends it, with every connection. Idempotent. */
  close(): void
}

/** @see draft-miller-ssh-agent, section 6.1 */
const REQUEST_IDENTITIES = 11
const SIGN_REQUEST = 13
const FAILURE = Uint8Array.of(0, 0, 0, 1, 5)
/** As OpenSSH's own limit. */
const MAX_MESSAGE = 256 * 1024

/**
 * Listens on a socket for one step. An agent talks to processes of its own user only, and a step's may be others: this
 * process asks in their place. What they may ask is to list keys and to sign; keys can't be added or taken away.
 */
export async function openAgentProxy(agent: SshAgent, lease: Lease): Promise<AgentProxy> {
  const dir = socketDir(lease.tempPath('ssh'))
  const open = new Set<Socket>()
  const server = createServer((client) => {
    const upstream = connect(agent.socket)
    for (const socket of [client, upstream]) {
      open.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        open.delete(socket)
        client.destroy()
        upstream.destroy()
      })
    }
    if (!agent.raw) void converse(client, upstream)
    else client.pipe(upstream).pipe(client)
  })
  await new Promise<void>((resolve, reject) => {
    server.on('error', reject)
    server.listen(dir.short('agent'), resolve)
  })
  let closed = false
  return {
    path: dir.path('agent'),
    close: () => {
      if (closed) return
      closed = true
      for (const socket of open) socket.destroy()
      server.close(() => dir.close())
    },
  }
}

/** One request after the other, as the protocol has it. */
async function converse(client: Socket, upstream: Socket): Promise<void> {
  const answers = messages(upstream)
  try {
    for await (const request of messages(client)) {
      const type = request[4]
      if (type !== REQUEST_IDENTITIES && type !== SIGN_REQUEST) {
        client.write(FAILURE)
        continue
      }
      upstream.write(request)
      const { value, done } = await answers.next()
      if (done) break
      client.write(value)
    }
  } catch {
    // A broken connection, or what is no message: both ends close.
  } finally {
    client.end()
    upstream.end()
  }
}

/** Whole messages, each with its length before it. */
async function* messages(socket: Socket): AsyncGenerator<Buffer, undefined> {
  let rest: Buffer = Buffer.alloc(0)
  for await (const chunk of socket) {
    rest = rest.length ? Buffer.concat([rest, chunk as Buffer]) : (chunk as Buffer)
    while (rest.length >= 4) {
      const size = rest.readUInt32BE(0)
      if (size === 0 || size > MAX_MESSAGE) throw new Error('malformed message')
      if (rest.length < size + 4) break
      yield rest.subarray(0, size + 4)
      rest = rest.subarray(size + 4)
    }
  }
  return undefined
}
