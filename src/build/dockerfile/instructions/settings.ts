import type { Node } from '../ast.js'
import { fault } from '../fault.js'
import { parseFlags } from '../flags.js'
import { trimSpace } from '../go-text.js'
import type {
  ExposeInstruction,
  MaintainerInstruction,
  StopSignalInstruction,
  UserInstruction,
  VolumeInstruction,
  WorkdirInstruction,
} from '../instruction.js'
import { argsOf, atLeastOne, common, needsOne } from './request.js'

export function parseWorkdir(node: Node): WorkdirInstruction {
  const path = needsOne(node, 'WORKDIR /path')
  parseFlags(node.flags, {})
  return { ...common(node), type: 'workdir', path }
}

export function parseUser(node: Node): UserInstruction {
  const user = needsOne(node, 'USER name or USER uid:gid')
  parseFlags(node.flags, {})
  return { ...common(node), type: 'user', user }
}

export function parseStopSignal(node: Node): StopSignalInstruction {
  return { ...common(node), type: 'stopsignal', signal: needsOne(node, 'STOPSIGNAL SIGTERM') }
}

export function parseMaintainer(node: Node): MaintainerInstruction {
  const maintainer = needsOne(node, 'LABEL org.opencontainers.image.authors="name"')
  parseFlags(node.flags, {})
  return { ...common(node), type: 'maintainer', maintainer }
}

export function parseVolume(node: Node): VolumeInstruction {
  if (node.args.length === 0) throw atLeastOne(node, 'VOLUME /path')
  parseFlags(node.flags, {})
  const volumes = argsOf(node).map(trimSpace)
  if (volumes.includes('')) throw fault('VOLUME specified can not be an empty string', 'write VOLUME /path')
  return { ...common(node), type: 'volume', volumes }
}

export function parseExpose(node: Node): ExposeInstruction {
  if (node.args.length === 0) throw atLeastOne(node, 'EXPOSE 80 or EXPOSE 53/udp')
  parseFlags(node.flags, {})
  // Sorted before expansion, because the line of history shows them so.
  return { ...common(node), type: 'expose', ports: argsOf(node).sort() }
}
