/**
 * The shell's text: a string in which each character is one byte, 0–255, as every program of the C locale sees it.
 * Nothing is lost whatever a file holds, and lengths and patterns count bytes, which is what dash does.
 */
import { decodeName, encodeName } from '../../base/bytes.js'

/** As many arguments as one call takes without harm. */
const SLICE = 8192

/** Bytes → the shell's text. */
export function textOf(bytes: Uint8Array): string {
  if (bytes.length <= SLICE) return String.fromCharCode.apply(null, bytes as unknown as number[])
  let out = ''
  for (let at = 0; at < bytes.length; at += SLICE)
    out += String.fromCharCode.apply(null, bytes.subarray(at, at + SLICE) as unknown as number[])
  return out
}

/** The shell's text → bytes. */
export function bytesOf(text: string): Uint8Array {
  const out = new Uint8Array(text.length)
  for (let i = 0; i < text.length; i++) out[i] = text.charCodeAt(i)
  return out
}

/** A name of the file system, or any other string of the program → the shell's text. */
export function fromName(name: string): string {
  return /^[\x00-\x7f]*$/.test(name) ? name : textOf(encodeName(name))
}

/** The shell's text → a name of the file system. */
export function toName(text: string): string {
  return /^[\x00-\x7f]*$/.test(text) ? text : decodeName(bytesOf(text))
}
