import type { Command } from './command.js'

/** `tsbox rmi [OPTIONS] IMAGE [IMAGE...]`. */
export function usageLine(command: Command, name: string): string {
  return `${name} ${command.synopsis}`.trim()
}
