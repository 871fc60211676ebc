/** What docker has and tsbox has not yet: said by name, so that nobody looks for a slip of the hand. */
const REGISTRIES = 'tsbox does not talk to registries yet: bring images in with load, import or image from-host'
const DETACHED = 'containers run in the foreground only, for now'
const NETWORKS = 'containers have the network of the host, or none, for now'

const PLANNED: Readonly<Record<string, string>> = {
  attach: DETACHED,
  commit: 'containers are not made into images yet: write a Dockerfile',
  compose: 'compose files are not run yet',
  cp: 'files are not copied from containers yet: mount a folder with run -v',
  create: DETACHED,
  diff: 'changes of containers are not listed yet',
  exec: DETACHED,
  export: 'containers are not exported yet: build with --output type=tar',
  kill: DETACHED,
  login: REGISTRIES,
  logout: REGISTRIES,
  logs: DETACHED,
  manifest: REGISTRIES,
  network: NETWORKS,
  pause: DETACHED,
  port: NETWORKS,
  pull: REGISTRIES,
  push: REGISTRIES,
  rename: 'containers keep their names for now',
  restart: DETACHED,
  search: REGISTRIES,
  serve: "docker's API is not served yet",
  start: DETACHED,
  stats: DETACHED,
  stop: DETACHED,
  top: DETACHED,
  unpause: DETACHED,
  update: DETACHED,
  wait: DETACHED,
}

/** Why a command that docker has is not there; undefined for any other word. */
export function whyNotYet(command: string): string | undefined {
  return Object.hasOwn(PLANNED, command) ? PLANNED[command] : undefined
}
