import { randomBytes } from 'node:crypto'

/** 16 hex digits that nobody else has. */
export function randomId(): string {
  return randomBytes(8).toString('hex')
}
