/** The drawing of a build in a real terminal. */
import assert from 'node:assert/strict'
import { before, type TestContext, test } from 'node:test'
import { makeBase, onPath, requireBox, sharedCli, skip, writeContext } from '../helpers/cli.js'
import { Screen } from '../helpers/screen.js'
import { inTerminal } from '../helpers/terminal.js'

const cli = sharedCli()
before(() => makeBase(cli))

async function requirePython(t: TestContext): Promise<boolean> {
  if (!(await requireBox(t))) return false
  return onPath('python3') || skip(t, 'python3 is not installed: sudo apt-get install python3')
}

/** What a terminal of this size shows after all of it. */
function shown(output: string, columns: number): Screen {
  const screen = new Screen(columns, 24)
  screen.write(output.replaceAll('\r\n', '\n'))
  return screen
}

test('a build draws its steps and leaves them; the cursor is there', async (t) => {
  if (!(await requirePython(t))) return
  const Dockerfile = 'FROM base\nRUN echo one; sleep 0.4; echo two\nRUN sleep 0.2\n'
  const { code, output, restored } = inTerminal(cli, ['build', writeContext(cli, { Dockerfile })], [])
  assert.deepEqual([code, restored], [0, true], output)
  assert.match(output, / => => # \d\.\d{3} one/)
  const { lines, cursorShown } = shown(output, 80)
  assert.ok(cursorShown)
  assert.match(lines[0]!, /^\[\+\] Building \d\.\ds \(6\/6\) FINISHED$/)
  assert.equal(lines.filter((l) => / => \[2\/3\] RUN echo one; sleep 0\.4; echo two +0\.\ds$/.test(l)).length, 1)
})

test('Ctrl-C ends the build and leaves the terminal as it was', async (t) => {
  if (!(await requirePython(t))) return
  const context = writeContext(cli, { Dockerfile: 'FROM base\nRUN echo ready; sleep 100\n' })
  const { code, output, restored } = inTerminal(
    cli,
    ['build', context],
    [
      ['wait', '# \\d\\.\\d+ ready'],
      ['send', '\x03'],
    ],
  )
  assert.deepEqual([code, restored], [130, true], output)
  const { lines, cursorShown } = shown(output, 80)
  assert.ok(cursorShown)
  assert.ok(lines.some((l) => l.startsWith(' => CANCELED [2/2] RUN echo ready')))
  assert.equal(lines.at(-1), 'canceled')
  assert.deepEqual(cli.leftovers(), [])
})

test('a window that becomes too narrow in the middle of a build is drawn into all the same', async (t) => {
  if (!(await requirePython(t))) return
  const context = writeContext(cli, { Dockerfile: 'FROM base\nRUN echo ready; sleep 0.5; false\n' })
  const { code, output } = inTerminal(
    cli,
    ['build', context],
    [
      ['wait', '# \\d\\.\\d+ ready'],
      ['size', 20, 10],
    ],
  )
  assert.equal(code, 1, output)
  assert.match(output, /\n => ERROR \[2\/2\] \.\.\.\x1b\[K\r\n/)
})
