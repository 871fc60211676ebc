/** A real terminal in front of `tsbox run -it`. */
import assert from 'node:assert/strict'
import { before, type TestContext, test } from 'node:test'
import { makeBase, onPath, requireBox, sharedCli, skip } from '../helpers/cli.js'
import { inTerminal } from '../helpers/terminal.js'

const cli = sharedCli()
before(() => makeBase(cli))

async function requirePython(t: TestContext): Promise<boolean> {
  if (!(await requireBox(t))) return false
  return onPath('python3') || skip(t, 'python3 is not installed: sudo apt-get install python3')
}

test('-it gives the program a terminal of its own, and exit codes pass', async (t) => {
  if (!(await requirePython(t))) return
  const script = 'tty; stty size; echo $TERM; read -r line; echo "read <$line>"; exit 9'
  const { code, output, restored } = inTerminal(
    cli,
    ['run', '--rm', '-it', 'base', 'sh', '-c', script],
    [
      ['wait', 'xterm'],
      ['send', 'typed\n'],
      ['wait', 'read <typed>'],
    ],
  )
  assert.equal(code, 9, output)
  assert.match(output, /^\/dev\/pts\/\d+\r\n24 80\r\nxterm\r\n/)
  assert.ok(restored, 'the terminal is as it was')
  assert.deepEqual(cli.leftovers(), [])
})

test('the size follows the window', async (t) => {
  if (!(await requirePython(t))) return
  const script = 'trap "stty size" WINCH; echo ready; while :; do sleep 0.05; done'
  const { code, output, left } = inTerminal(
    cli,
    ['run', '--rm', '-it', 'base', 'sh', '-c', script],
    [
      ['wait', 'ready'],
      ['size', 132, 43],
      ['wait', '43 132'],
      ['size', 60, 20],
      ['wait', '20 60'],
      ['send', '\x03'],
    ],
  )
  assert.deepEqual(left, [], output)
  assert.equal(code, 130, output)
})

test('Ctrl-C, Ctrl-D and Ctrl-Z are for the program', async (t) => {
  if (!(await requirePython(t))) return
  const caught = inTerminal(
    cli,
    [
      'run',
      '--rm',
      '-it',
      'base',
      'sh',
      '-c',
      'trap "echo caught; exit 5" INT; echo ready; while :; do sleep 0.05; done',
    ],
    [
      ['wait', 'ready'],
      ['send', '\x03'],
    ],
  )
  assert.deepEqual([caught.code, /caught/.test(caught.output), caught.restored], [5, true, true])
  const ended = inTerminal(
    cli,
    ['run', '--rm', '-it', 'base', 'cat'],
    [
      // Typed before the program is there: the own terminal echoes it, then the container's, then cat writes it.
      ['send', 'line\n'],
      ['wait', '(line\r\n){3}'],
      ['send', '\x04'],
    ],
  )
  assert.equal(ended.code, 0, ended.output)
})

test('the terminal is restored when tsbox is ended by a signal', async (t) => {
  if (!(await requirePython(t))) return
  const { code, restored, output } = inTerminal(
    cli,
    ['run', '--rm', '-it', 'base', 'sh', '-c', 'stty -echo; echo ready; kill -TERM $$; sleep 100'],
    [['wait', 'ready']],
  )
  assert.deepEqual([code, restored], [143, true], output)
})

test('-t works without a terminal in front, -it says that it needs one', async (t) => {
  if (!(await requireBox(t))) return
  const ran = cli.run(['run', '--rm', '-t', 'base', 'sh', '-c', 'test -t 0 && test -t 1 && tty'])
  assert.equal(ran.code, 0, ran.stderr)
  assert.match(ran.stdout, /^\/dev\/pts\/\d+\r\n$/)
  const refused = cli.run(['run', '--rm', '-it', 'base', 'true'], { input: 'x' })
  assert.match(refused.stderr, /the input device is not a TTY/)
  assert.equal(refused.code, 1)
})

test('a shell in a terminal has job control', async (t) => {
  if (!(await requirePython(t))) return
  const { code, output } = inTerminal(
    cli,
    ['run', '--rm', '-it', '-e', 'PS1=$ ', 'base', 'sh', '-i'],
    [
      ['wait', '\\$ '],
      ['send', 'sh -c "echo up-$((3 + 4)); exec sleep 100"\n'],
      ['wait', 'up-7'],
      ['send', '\x03'],
      ['wait', '\\$ '],
      ['send', 'echo after-$((1 + 1))\n'],
      ['wait', 'after-2'],
      ['send', 'exit 4\n'],
    ],
  )
  assert.equal(code, 4, output)
  assert.doesNotMatch(output, /job control turned off|can't access tty/)
})
