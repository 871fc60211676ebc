import type { Node } from '../ast.js'
import { faultWithGuess } from '../fault.js'
import type { Instruction } from '../instruction.js'
import { parseFrom } from './from.js'
import { parseHealthcheck } from './healthcheck.js'
import { parseOnbuild } from './onbuild.js'
import { parseCmd, parseEntrypoint, parseShell } from './process.js'
import { parseRun } from './run.js'
import { parseExpose, parseMaintainer, parseStopSignal, parseUser, parseVolume, parseWorkdir } from './settings.js'
import { parseAdd, parseCopy } from './transfer.js'
import { parseArg, parseEnv, parseLabel } from './variables.js'

const PARSERS: Record<Instruction['type'], (node: Node) => Instruction> = {
  add: parseAdd,
  arg: parseArg,
  cmd: parseCmd,
  copy: parseCopy,
  entrypoint: parseEntrypoint,
  env: parseEnv,
  expose: parseExpose,
  from: parseFrom,
  healthcheck: parseHealthcheck,
  label: parseLabel,
  maintainer: parseMaintainer,
  onbuild: parseOnbuild,
  run: parseRun,
  shell: parseShell,
  stopsignal: parseStopSignal,
  user: parseUser,
  volume: parseVolume,
  workdir: parseWorkdir,
}

/**
 * Reads what a node means.
 *
 * @throws TsboxError E_DOCKERFILE without a location
 */
export function parseNode(node: Node): Instruction {
  const type = node.value.toLowerCase()
  if (Object.hasOwn(PARSERS, type)) return PARSERS[type as Instruction['type']](node)
  throw faultWithGuess(`unknown instruction: ${node.value}`, node.value, Object.keys(PARSERS), {
    ignoreCase: true,
    hint: /^(\/\/|\/\*|--|;)/.test(node.value)
      ? 'a comment starts with #'
      : 'if the line belongs to the one above, that one needs a backslash at its end',
  })
}
