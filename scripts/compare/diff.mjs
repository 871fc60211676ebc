// Two images side by side, as lines of text.

const LABELS_OF_TOOLS = ['io.buildah.version']
const FIELDS = [
  'User',
  'Env',
  'Cmd',
  'Entrypoint',
  'WorkingDir',
  'ExposedPorts',
  'Volumes',
  'Labels',
  'OnBuild',
  'Shell',
  'StopSignal',
  'Healthcheck',
]

/** Empty and absent are one thing to whoever runs the image. */
function plain(value) {
  if (value === undefined || value === null || value === '') return undefined
  if (typeof value === 'object' && Object.keys(value).length === 0) return undefined
  return value
}

function settings({ config }) {
  const c = config.config ?? {}
  const labels = Object.fromEntries(Object.entries(c.Labels ?? {}).filter(([k]) => !LABELS_OF_TOOLS.includes(k)))
  // The order of variables means nothing, and is not the same.
  const env = [...(c.Env ?? [])].sort()
  const fields = { ...Object.fromEntries(FIELDS.map((f) => [f, c[f]])), Labels: labels, Env: env }
  return { ...fields, author: config.author, os: config.os, architecture: config.architecture }
}

function sorted(value) {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return value
  return Object.fromEntries(
    Object.keys(value)
      .sort()
      .map((k) => [k, sorted(value[k])]),
  )
}

const text = (value) => (plain(value) === undefined ? 'nothing' : JSON.stringify(sorted(value)))

/** Lines `what: tsbox … | buildah …`, none where the images are the same. */
export function difference(tsbox, buildah) {
  const out = []
  const mine = settings(tsbox)
  const theirs = settings(buildah)
  for (const key of Object.keys(mine))
    if (text(mine[key]) !== text(theirs[key]))
      out.push(`config ${key}: tsbox ${text(mine[key])} | buildah ${text(theirs[key])}`)
  for (const path of [...new Set([...tsbox.tree.keys(), ...buildah.tree.keys()])].sort()) {
    const a = shown(tsbox.tree.get(path))
    const b = shown(buildah.tree.get(path))
    if (a !== b) out.push(`/${path}: tsbox ${a} | buildah ${b}`)
  }
  return out
}

function shown(file) {
  if (!file) return 'absent'
  return [file.type, file.mode, file.owner, file.link && `→ ${file.link}`, file.device, file.content]
    .filter(Boolean)
    .join(' ')
}
