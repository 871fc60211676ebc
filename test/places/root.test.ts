/** Places 5: as root of the machine. These are only there when root runs the tests. */
import assert from 'node:assert/strict'
import { TSBOX } from '../helpers/cli.js'
import { runProgram } from '../helpers/programs.js'
import { type Prepared, place } from './place.js'

const mapOf = ({ cli }: Prepared, ...options: string[]) =>
  runProgram(TSBOX, ['run', '--rm', ...options, 'made', 'sh', '-c', 'readlink /proc/self/ns/user'], { env: cli.env })

place('root, in a user namespace of its own', {
  root: true,
  mode: 'subid',
  doctor: { subid: ['ok', /^not needed: root maps all ids itself/] },
  look: (p) => assert.notEqual(mapOf(p), runProgram('readlink', ['/proc/self/ns/user'])),
})

place('root, without a user namespace', {
  root: true,
  options: ['--userns', 'host'],
  mode: 'subid',
  look: (p) => {
    assert.equal(mapOf(p, '--userns', 'host'), runProgram('readlink', ['/proc/self/ns/user']))
    const script = 'mknod /disk b 8 0 || echo refused; cat /proc/self/status'
    const args = ['run', '--rm', '--userns', 'host', 'made', 'sh', '-c', script]
    const said = runProgram(TSBOX, args, { env: p.cli.env })
    assert.match(said, /^refused/)
    // Docker's, without MKNOD.
    assert.match(said, /^CapBnd:\s+00000000a00425fb|^CapBnd:\s+00000000a0[0-9a-f]{6}/m)
    assert.doesNotMatch(said, /^CapBnd:\s+00000000a8/m)
  },
})

place('root with one id', { root: true, options: ['--userns', 'single'] })
