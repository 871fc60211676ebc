import type { LineRange } from '../ast.js'
import { quote } from '../go-text.js'
import type { Reporter } from './reporter.js'

const SECRET = /(?:_|^)(?:apikey|auth|credential|credentials|key|password|pword|passwd|secret|token)(?:_|$)/i
const PUBLIC = /(?:_|^)public(?:_|$)/i

/** Whether the value of a variable of this name is better not shown. */
export function soundsSecret(name: string): boolean {
  return SECRET.test(name) && !PUBLIC.test(name)
}

/** SecretsUsedInArgOrEnv: names that sound like a secret stay in the image and its history. */
export function checkSecretName(keyword: 'ARG' | 'ENV', name: string, location: LineRange, reporter: Reporter): void {
  if (soundsSecret(name))
    reporter.report(
      'SecretsUsedInArgOrEnv',
      location,
      `Do not use ARG or ENV instructions for sensitive data (${keyword} ${quote(name)})`,
    )
}
