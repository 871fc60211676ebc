import { UsageError } from '../usage-error.js'
import { csvFields, wrong } from './build-options.js'
import type { RareValues } from './build-rare.js'

const TRUE = /^(1|t|T|true|True|TRUE)$/
const FALSE = /^(0|f|F|false|False|FALSE)$/

/**
 * `--attest`, `--provenance` and `--sbom` can only ask for none.
 *
 * @throws {UsageError} for what asks for an attestation
 * @see docker/buildx util/buildflags/attests.go
 */
export function checkAttest({ attest, provenance, sbom }: Pick<RareValues, 'attest' | 'provenance' | 'sbom'>): void {
  for (const text of attest) {
    const fields = new Map(csvFields(text))
    if (!fields.get('type')) throw wrong('attest', text, 'attestation type not specified')
    if (!disabled(fields, 'attest', text)) throw refused('attest', text)
  }
  for (const [option, text] of Object.entries({ provenance, sbom })) {
    if (text === undefined || FALSE.test(text)) continue
    if (TRUE.test(text) || !disabled(new Map(csvFields(text)), option, text)) throw refused(option, text)
  }
}

function disabled(fields: ReadonlyMap<string, string | undefined>, option: string, text: string): boolean {
  if (!fields.has('disabled')) return false
  const value = fields.get('disabled') ?? ''
  if (!TRUE.test(value) && !FALSE.test(value)) throw wrong(option, text, `disabled is true or false, not "${value}"`)
  return TRUE.test(value)
}

function refused(option: string, value: string): UsageError {
  return new UsageError(`cannot honour --${option}=${value}: no attestations are made yet`, {
    hint: option === 'attest' ? 'give it disabled=true, or leave it out' : `use --${option}=false, or leave it out`,
    usage: false,
  })
}

const NO_GRANT: Readonly<Record<string, string>> = {
  'security.insecure': 'there is no root on this machine to give to a step',
  device: 'devices of the host are not given to steps',
}

/**
 * `--allow`: the network of the host is what steps have anyway; nothing else can be allowed to them.
 *
 * @throws {UsageError}
 */
export function checkAllow(grants: readonly string[]): void {
  for (const grant of grants) {
    const name = grant.split('=')[0]!
    if (grant === 'network.host') continue
    if (!Object.hasOwn(NO_GRANT, name)) throw wrong('allow', grant, `invalid entitlement "${grant}"`)
    throw new UsageError(`cannot honour --allow=${grant}: ${NO_GRANT[name]}`, { usage: false })
  }
}
