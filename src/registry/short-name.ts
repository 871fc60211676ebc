import { parseNamed, parseReference, type Reference } from '../oci/reference.js'
import type { Endpoints } from './config/endpoints.js'

/**
 * Reads a name as docker does, after the aliases of the configuration: one without a host that is an alias stands for what
 * that says, with the tag and digest that were given.
 *
 * @throws TsboxError E_REFERENCE_INVALID
 */
export function resolveShortName(endpoints: Pick<Endpoints, 'alias'>, text: string): Reference {
  const [, name, suffix] = /^(.*?)((?::[^:/@]*)?(?:@.*)?)$/s.exec(text) as unknown as [string, string, string]
  const meant = isShort(name) ? endpoints.alias(name) : undefined
  return parseReference(meant === undefined ? text : meant + (suffix || ''))
}

/** Whether a name has no host: then it is docker.io's by nothing but convention. */
function isShort(name: string): boolean {
  try {
    return parseNamed(name).domain === 'docker.io' && !/^(?:index\.)?docker\.io\//.test(name)
  } catch {
    return false
  }
}
