const PART = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*'
const LABEL = '(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])'
const DOMAIN = `(?:${LABEL}(?:\\.${LABEL})*|\\[(?:[a-fA-F0-9:]+)\\])(?::[0-9]+)?`
const REFERENCE = new RegExp(
  `^(?:${DOMAIN}/)?${PART}(?:/${PART})*(?::\\w[\\w.-]{0,127})?(?:@[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,})?$`,
)

/** Whether a name could be an image's, as docker writes it. @see distribution/reference ParseNormalizedNamed */
export function isImageReference(name: string): boolean {
  if (/^[a-f0-9]{64}$/.test(name)) return false
  const match = REFERENCE.test(name)
  const path = name.replace(/@.*$/, '').replace(/:[^/]*$/, '')
  return match && path.length <= 255
}
