import { closeSync, mkdirSync, openSync } from 'node:fs'
import { pid } from 'node:process'

/** A folder for sockets of this process. */
export interface SocketDir {
  /** Path by which any process of this user can bind or reach a socket of the folder, as long as this one lives. */
  short(name: string): string
  /** The socket's own path. */
  path(name: string): string
  close(): void
}

/**
 * Makes a folder that only this user can enter. A socket's address has at most 107 bytes, which folders of a store may
 * exceed: a descriptor of the folder stands in for its path.
 *
 * @see unix(7)
 */
export function socketDir(path: string): SocketDir {
  mkdirSync(path, { mode: 0o700 })
  const fd = openSync(path, 'r')
  return {
    short: (name) => `/proc/${pid}/fd/${fd}/${name}`,
    path: (name) => `${path}/${name}`,
    close: () => closeSync(fd),
  }
}
