/**
 * Calls of methods on a D-Bus: what managing limits through systemd takes, and no more. Objects, signals, introspection
 * and descriptors are not there.
 *
 * @see https://dbus.freedesktop.org/doc/dbus-specification.html
 */
import { createConnection, type Socket } from 'node:net'
import { type DBusValue, MarshalReader, MarshalWriter, type Variant } from './marshal.js'

/** The specification's default for an answer. */
const TIMEOUT_MS = 25_000
const METHOD_CALL = 1
const METHOD_RETURN = 2
const ERROR = 3
const FIELD = { path: 1, interface: 2, member: 3, error: 4, replySerial: 5, destination: 6, signature: 8 } as const
/** More than any answer to us has. */
const MESSAGE_MAX = 1 << 24

/** An error that the other side answered. */
export class DBusError extends Error {
  /** As `org.freedesktop.systemd1.UnitExists`. */
  readonly errorName: string

  constructor(errorName: string, message: string) {
    super(message || errorName)
    this.errorName = errorName
  }
}

/** What is called. */
export interface DBusCall {
  destination: string
  path: string
  interface: string
  member: string
  /** Of the arguments; '' or absent without any. */
  signature?: string | undefined
  args?: readonly DBusValue[] | undefined
}

interface Waiting {
  resolve(values: DBusValue[]): void
  reject(err: Error): void
}

/** One connection, of this user. */
export class DBusConnection {
  private readonly socket: Socket
  private readonly waiting = new Map<number, Waiting>()
  private received = Buffer.alloc(0)
  private serial = 0

  private constructor(socket: Socket) {
    this.socket = socket
  }

  /**
   * Connects and says who we are.
   *
   * @param path of the socket; one in the abstract name space begins with NUL
   * @param bus whether it is a bus (which wants a Hello) or the peer itself
   * @throws Error where nobody listens, or we are not let in
   */
  static async connect(path: string, bus: boolean, uid: number): Promise<DBusConnection> {
    const socket = createConnection(path)
    const connection = new DBusConnection(socket)
    try {
      await connection.authenticate(uid)
      socket.on('data', (chunk) => connection.hear(chunk))
      socket.on('close', () => connection.fail(new Error('D-Bus: the connection was closed')))
      if (bus) {
        const name = 'org.freedesktop.DBus'
        await connection.call({ destination: name, path: '/org/freedesktop/DBus', interface: name, member: 'Hello' })
      }
      return connection
    } catch (err) {
      socket.destroy()
      throw err
    }
  }

  /** @returns the values of the answer. @throws {DBusError} */
  async call(call: DBusCall): Promise<DBusValue[]> {
    const serial = ++this.serial
    const answer = new Promise<DBusValue[]>((resolve, reject) => this.waiting.set(serial, { resolve, reject }))
    const timer = setTimeout(() => this.fail(new Error(`D-Bus: no answer to ${call.member}`)), TIMEOUT_MS)
    this.socket.write(encodeCall(call, serial))
    try {
      return await answer
    } finally {
      clearTimeout(timer)
      this.waiting.delete(serial)
    }
  }

  close(): void {
    this.socket.destroy()
  }

  /** EXTERNAL: the socket itself tells who we are. */
  private authenticate(uid: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const { socket } = this
      const timer = setTimeout(() => reject(new Error('D-Bus: no answer to AUTH')), TIMEOUT_MS)
      let text = ''
      const settle = (err?: Error) => {
        clearTimeout(timer)
        socket.removeAllListeners()
        socket.on('error', (e) => this.fail(e))
        if (err) reject(err)
        else resolve()
      }
      socket.once('error', settle)
      socket.once('close', () => settle(new Error('D-Bus: the connection was closed')))
      socket.on('data', (chunk) => {
        text += chunk.toString('latin1')
        if (!text.includes('\r\n')) return
        if (!text.startsWith('OK ')) settle(new Error(`D-Bus: not let in: ${text.trim()}`))
        else {
          socket.write('BEGIN\r\n')
          settle()
        }
      })
      socket.write(`\0AUTH EXTERNAL ${Buffer.from(String(uid)).toString('hex')}\r\n`)
    })
  }

  private hear(chunk: Buffer): void {
    this.received = Buffer.concat([this.received, chunk])
    try {
      for (;;) {
        const size = messageSize(this.received)
        if (size === undefined || this.received.length < size) return
        this.answer(this.received.subarray(0, size))
        this.received = this.received.subarray(size)
      }
    } catch (err) {
      this.fail(err as Error)
    }
  }

  private answer(message: Buffer): void {
    const type = message[1]
    if (type !== METHOD_RETURN && type !== ERROR) return
    const reader = new MarshalReader(message, isLittle(message), 12)
    const list = reader.takeAll('a(yv)')[0] as [number, Variant][]
    const fields = new Map(list.map(([code, { value }]) => [code, value]))
    reader.align(8)
    const values = reader.takeAll((fields.get(FIELD.signature) as string | undefined) ?? '')
    const waiting = this.waiting.get(fields.get(FIELD.replySerial) as number)
    if (type === METHOD_RETURN) waiting?.resolve(values)
    else waiting?.reject(new DBusError(String(fields.get(FIELD.error)), typeof values[0] === 'string' ? values[0] : ''))
  }

  private fail(err: Error): void {
    for (const { reject } of this.waiting.values()) reject(err)
    this.waiting.clear()
    this.socket.destroy()
  }
}

function isLittle(message: Buffer): boolean {
  if (message[0] !== 0x6c && message[0] !== 0x42) throw new Error('D-Bus: no message')
  return message[0] === 0x6c
}

/** Bytes of the message that begins here; undefined while its lengths are not there. */
function messageSize(buffer: Buffer): number | undefined {
  if (buffer.length < 16) return undefined
  const read = (at: number) => (isLittle(buffer) ? buffer.readUInt32LE(at) : buffer.readUInt32BE(at))
  const size = 16 + Math.ceil(read(12) / 8) * 8 + read(4)
  if (size > MESSAGE_MAX) throw new Error('D-Bus: message too long')
  return size
}

function encodeCall(call: DBusCall, serial: number): Buffer {
  const { destination, path, member, signature = '', args = [] } = call
  const body = new MarshalWriter().putAll(signature, args).bytes()
  const fields: [number, Variant][] = [
    [FIELD.path, { signature: 'o', value: path }],
    [FIELD.interface, { signature: 's', value: call.interface }],
    [FIELD.member, { signature: 's', value: member }],
    [FIELD.destination, { signature: 's', value: destination }],
  ]
  if (signature) fields.push([FIELD.signature, { signature: 'g', value: signature }])
  const head = new MarshalWriter()
    .putAll('yyyyuua(yv)', [0x6c, METHOD_CALL, 0, 1, body.length, serial, fields])
    .align(8)
    .bytes()
  return Buffer.concat([head, body])
}

/**
 * Sockets of an address as environments have it: `unix:path=/run/user/1000/bus;unix:abstract=/tmp/x`. Other transports
 * are passed over.
 */
export function socketsOf(address: string): string[] {
  return address.split(';').flatMap((one) => {
    if (!one.startsWith('unix:')) return []
    const pairs = one
      .slice(5)
      .split(',')
      .map((p) => p.split(/=(.*)/s) as [string, string])
    const values = new Map(pairs.map(([key, value]) => [key, decodeURIComponent(value ?? '')]))
    const path = values.get('path')
    const abstract = values.get('abstract')
    return path !== undefined ? [path] : abstract !== undefined ? [`\0${abstract}`] : []
  })
}
