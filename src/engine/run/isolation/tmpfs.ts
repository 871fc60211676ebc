import { isAbsolute } from 'node:path'
import { TsboxError } from '../../../base/error.js'
import { cleanPath } from '../../../base/path.js'
import type { PlanOp } from '../../../rootless/plan.js'

/** A tmpfs and whether it can be written to. */
export interface TmpfsMount {
  op: Extract<PlanOp, { op: 'tmpfs' }>
  readonly: boolean
}

const UNITS: Readonly<Record<string, number>> = { '': 1, b: 1, k: 1 << 10, m: 1 << 20, g: 1 << 30 }
/** What every tmpfs here is. */
const ALWAYS = ['rw', 'nosuid', 'nodev']
const NEVER: Readonly<Record<string, string>> = {
  suid: 'a tmpfs is always mounted nosuid',
  dev: 'a user namespace has no devices on a tmpfs',
}

/**
 * Reads `PATH[:OPTIONS]` of `--tmpfs`, with docker's defaults: noexec, nosuid, nodev.
 *
 * @throws TsboxError E_TMPFS, exit code 125
 */
export function parseTmpfs(text: string): TmpfsMount {
  const colon = text.indexOf(':')
  const target = colon < 0 ? text : text.slice(0, colon)
  if (!isAbsolute(target) || cleanPath(target) === '/') throw wrong(text, `no absolute path of a folder: "${target}"`)
  const mount: TmpfsMount = { op: { op: 'tmpfs', target: cleanPath(target), noexec: true }, readonly: false }
  const options = colon < 0 ? '' : text.slice(colon + 1)
  for (const option of options.split(',').filter(Boolean)) setOption(mount, option, text)
  return mount
}

function setOption(mount: TmpfsMount, option: string, text: string): void {
  const [key = '', value = ''] = option.split('=', 2)
  if (key === 'ro') mount.readonly = true
  else if (key === 'exec' || key === 'noexec') mount.op.noexec = key === 'noexec'
  else if (key === 'size') mount.op.sizeBytes = tmpfsSize(value, (why) => wrong(text, why))
  else if (key === 'mode') mount.op.mode = tmpfsMode(value, (why) => wrong(text, why))
  else if (key === 'uid' || key === 'gid') {
    if (!/^\d{1,9}$/.test(value)) throw wrong(text, `no ${key}: "${value}"`)
    mount.op[key] = Number(value)
  } else if (NEVER[key]) throw wrong(text, NEVER[key])
  else if (!ALWAYS.includes(key)) throw wrong(text, `the option is not known here: "${key}"`)
}

/** Bytes of `64m`. @param wrong makes the error */
export function tmpfsSize(text: string, wrong: (why: string) => TsboxError): number {
  const match = /^(\d{1,12})([bkmg]?)b?$/i.exec(text)
  const bytes = match ? Number(match[1]) * UNITS[match[2]!.toLowerCase()]! : Number.NaN
  if (!Number.isSafeInteger(bytes)) throw wrong(`no size: "${text}"`)
  return bytes
}

/** A mode in octal digits. @param wrong makes the error */
export function tmpfsMode(text: string, wrong: (why: string) => TsboxError): number {
  if (!/^[0-7]{1,5}$/.test(text) || Number.parseInt(text, 8) > 0o7777) throw wrong(`no mode in octal digits: "${text}"`)
  return Number.parseInt(text, 8)
}

function wrong(text: string, why: string): TsboxError {
  return new TsboxError('E_TMPFS', `invalid --tmpfs "${text}": ${why}`, {
    exitCode: 125,
    hint: 'for example --tmpfs /run:size=64m,mode=755,exec',
  })
}
