import { csvFields } from './csv.js'
import { fault, faultWithGuess } from './fault.js'
import { cut, parseBool } from './go-text.js'

/** `--device` of RUN: a CDI device. */
export interface Device {
  /** `vendor.com/class=name`, or another name that the builder knows. */
  name: string
  required: boolean
}

/**
 * Reads a value of `--device`: `[name=]NAME[,required[=BOOL]]`.
 *
 * @throws TsboxError E_DOCKERFILE
 */
export function parseDevice(spec: string): Device {
  const device: Device = { name: '', required: false }
  for (const field of csvFields(spec, 'failed to parse csv devices')) {
    const [rawKey, value, found] = cut(field, '=')
    const key = rawKey.toLowerCase()
    if (isQualified(field)) device.name = field
    else if (key === 'required') {
      const on = found ? parseBool(value) : true
      if (on === undefined) throw fault(`invalid value for required: ${value}`, 'write required or required=true')
      device.required = on
    } else if (found && key === 'name') device.name = value
    else if (!found && device.name === '') device.name = field
    else throw faultWithGuess(`unexpected key '${key}' in '${field}'`, key, ['name', 'required'])
  }
  if (device.name === '') throw fault('device: the name is missing', 'write --device=vendor.com/class=name')
  return device
}

/** @see Container Device Interface specification, "Kind" */
function isQualified(name: string): boolean {
  return /^[A-Za-z][\w.-]*\/[A-Za-z][\w.-]*=[\w.:-]+$/.test(name)
}
