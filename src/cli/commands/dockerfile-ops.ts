import { answerOp, type OpRequest } from '../../build/dockerfile/ops-protocol.js'
import { defineCommand } from '../command.js'
import type { Shell } from '../shell.js'

export const command = defineCommand({
  synopsis: '',
  summary: 'Answer questions about the Dockerfile language: one JSON request a line, one JSON answer a line',
  arguments: [0, 0],
  options: {},
  async run(_values, _args, { shell }) {
    for await (const line of linesOf(shell.stdin.stream())) {
      if (line.trim() !== '') shell.stdout.write(`${answerLine(line)}\n`)
    }
    return undefined
  },
})

function answerLine(line: string): string {
  try {
    return JSON.stringify(answerOp(JSON.parse(line) as OpRequest))
  } catch (err) {
    if (!(err instanceof SyntaxError)) throw err
    return JSON.stringify({ id: '', ok: false, error: `cannot read the request: ${err.message}` })
  }
}

async function* linesOf(input: ReturnType<Shell['stdin']['stream']>): AsyncGenerator<string> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of input) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n')
    rest = lines.pop()!
    yield* lines
  }
  yield rest
}
