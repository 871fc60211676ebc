import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Entry } from '../../src/layer/entry.js'
import { decodeEntry, encodeEntry } from '../../src/rootless/entry-codec.js'
import { F, FrameParser, FrameWriter, Payload } from '../../src/rootless/frames.js'

function parse(bytes: Buffer, piece: number): string[] {
  const seen: string[] = []
  let content = ''
  const flush = () => {
    if (content) seen.push(`data ${content}`)
    content = ''
  }
  const parser = new FrameParser({
    frame(type, payload) {
      flush()
      seen.push(`${type} ${payload.toString('latin1')}`)
    },
    data: (_type, chunk) => {
      content += chunk.toString('latin1')
    },
  })
  for (let at = 0; at < bytes.length; at += piece) parser.push(Buffer.from(bytes.subarray(at, at + piece)))
  flush()
  return seen
}

for (const piece of [1, 2, 3, 5, 6, 7, 1000])
  test(`FrameParser cuts frames out of pieces of ${piece} bytes`, () => {
    const w = new FrameWriter(16)
    w.begin(F.OK).end().begin(F.EXIT).u8(65).u8(66).end()
    w.begin(F.DATA).bytes(Buffer.from('hello')).end().begin(F.DATA).end().begin(F.STDOUT).bytes(Buffer.from('!')).end()
    w.begin(F.ERROR).bytes(Buffer.from('xyz')).end()
    assert.deepEqual(parse(w.take(), piece), [`${F.OK} `, `${F.EXIT} AB`, 'data hello!', `${F.ERROR} xyz`])
  })

const values: [name: string, value: number][] = [
  ['zero', 0],
  ['a large size', 2 ** 40 + 3],
  ['a time before 1970', -5],
  ['a time long before 1970', -(2 ** 35)],
]
for (const [name, value] of values)
  test(`u64 keeps ${name}`, () => {
    const bytes = new FrameWriter().begin(F.OK).u64(value).end().take()
    assert.equal(new Payload(bytes.subarray(5)).u64(), value)
  })

const entries: [name: string, entry: Entry][] = [
  [
    'a file with attributes',
    {
      path: 'a/b',
      type: 'file',
      mode: 0o4755,
      uid: 4294967294,
      gid: 7,
      mtime: -1,
      size: 2 ** 33,
      xattrs: [
        ['security.capability', Uint8Array.of(1, 0, 255)],
        ['user.x', new Uint8Array()],
      ],
    },
  ],
  [
    'a link whose bytes are no UTF-8',
    { path: 'a\udcff', type: 'symlink', mode: 0o777, uid: 0, gid: 0, mtime: 1, size: 0, link: '\udc80/ü' },
  ],
  ['a device', { path: 'd', type: 'block', mode: 0o600, uid: 0, gid: 6, mtime: 0, size: 0, major: 259, minor: 1 }],
  ['a whiteout', { path: 'w', type: 'whiteout', mode: 0, uid: 0, gid: 0, mtime: 0, size: 0 }],
]
for (const [name, entry] of entries)
  test(`an entry frame keeps ${name}`, () => {
    const w = new FrameWriter()
    encodeEntry(w, entry)
    assert.deepEqual(decodeEntry(new Payload(w.take().subarray(5))), entry)
  })
