import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TsboxError } from '../../../src/base/error.js'
import { type Mount, parseMount, unexpandedMount } from '../../../src/build/dockerfile/mount.js'

const same = (word: string) => word
const base = {
  type: 'bind',
  from: '',
  source: '',
  target: '',
  readOnly: true,
  sizeBytes: 0,
  id: '',
  sharing: 'shared',
  required: false,
  env: undefined,
  mode: undefined,
  uid: undefined,
  gid: undefined,
} as const

const good: [spec: string, mount: Partial<Mount>][] = [
  ['target=/a', { target: '/a' }],
  ['type=bind,from=base,source=/s,target=/t', { from: 'base', source: '/s', target: '/t' }],
  ['type=bind,src=s,dst=t,rw', { source: 's', target: 't', readOnly: false }],
  ['destination=/t,readwrite=true', { target: '/t', readOnly: false }],
  ['target=/t,rw=false', { target: '/t' }],
  ['target=/t,readonly=false', { target: '/t', readOnly: false }],
  ['TYPE=CACHE,Target=/c', { type: 'cache', target: '/c', readOnly: false }],
  [
    'type=cache,id=x,target=/c,sharing=Locked,mode=0700,uid=1,gid=2,ro',
    { type: 'cache', id: 'x', target: '/c', sharing: 'locked', mode: 0o700, uid: 1, gid: 2, readOnly: true },
  ],
  ['type=tmpfs,target=/t,size=64m', { type: 'tmpfs', target: '/t', sizeBytes: 67108864, readOnly: false }],
  ['type=secret,id=a', { type: 'secret', id: 'a' }],
  ['type=secret,src=a,env=A,required', { type: 'secret', source: 'a', env: 'A', required: true }],
  ['type=secret,target=/t,required=false,mode=400', { type: 'secret', target: '/t', mode: 0o400 }],
  ['type=ssh', { type: 'ssh' }],
  ['type=ssh,id=k,required=1', { type: 'ssh', id: 'k', required: true }],
  ['"target=/a,b"', { target: '/a,b' }],
  ['target=', {}],
]
for (const [spec, fields] of good)
  test(`parseMount() of ${spec}`, () => {
    assert.deepEqual(parseMount(spec, same), { ...base, spec, ...fields })
  })

const bad: [spec: string, message: RegExp][] = [
  ['type=cash,target=/a', /^unsupported mount type "cash" \(did you mean cache\?\)$/],
  ['type=volume', /^unsupported mount type "volume"$/],
  ['target', /^invalid field 'target' must be a key=value pair$/],
  ['type=cache,taget=/a', /^unexpected key 'taget' in 'taget=\/a' \(did you mean target\?\)$/],
  ['type=cache,sharing=none', /^unsupported sharing value "none"$/],
  ['sharing=shared', /^invalid cache sharing set for bind mount$/],
  ['required', /^unexpected key 'required' for mount type 'bind'$/],
  ['size=1m', /^unexpected key 'size' for mount type 'bind'$/],
  ['type=tmpfs,size=big', /^invalid value for size: big$/],
  ['ro=maybe', /^invalid value for ro: maybe$/],
  ['type=cache,mode=99', /^invalid value 99 for mode$/],
  ['type=cache,uid=me', /^invalid value me for uid$/],
  ['type=cache,gid=4294967296', /^invalid value 4294967296 for gid$/],
  ['type=bind,mode=700', /^mode not allowed for "bind" type mounts$/],
  ['type=tmpfs,uid=1', /^uid not allowed for "tmpfs" type mounts$/],
  ['type=secret', /^invalid secret mount\. one of source, target required$/],
  ['type=secret,id=a,source=b', /^both source and id can't be set$/],
  ['type=secret,id=a,from=b', /^secret mount should not have a from$/],
  ['type=secret,id=a,sharing=shared', /^secret mount should not define sharing$/],
  ['', /^failed to parse csv mounts: EOF$/],
]
for (const [spec, message] of bad)
  test(`parseMount() refuses "${spec}"`, () => {
    assert.throws(
      () => parseMount(spec, same),
      (err: unknown) => err instanceof TsboxError && message.test(err.message),
    )
  })

test('parseMount() expands every value but that of from', () => {
  const expand = (word: string) => word.replace('$T', 'cache').replace('$D', '/d')
  const mount = parseMount('type=$T,target=$D,id=x$D', expand)
  assert.deepEqual([mount.type, mount.target, mount.id], ['cache', '/d', 'x/d'])
})

test('unexpandedMount() knows only where it reads from', () => {
  assert.equal(unexpandedMount('type=$T,from=base,target=$D').from, 'base')
  assert.equal(unexpandedMount('from=price$').from, 'price$')
  assert.throws(() => unexpandedMount('from=$base'), /'from' doesn't support variable expansion/)
})
