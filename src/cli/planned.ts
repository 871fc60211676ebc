/** What docker has and tsbox has not yet: said by name, so that nobody looks for a slip of the hand. */
const NETWORKS = 'containers have the network of the host, or none, for now'

const PLANNED: Readonly<Record<string, string>> = {
  compose: 'compose files are not run yet',
  manifest: 'indexes of several platforms are not made yet',
  network: NETWORKS,
  serve: "docker's API is not served yet",
}

/** Why a command that docker has is not there; undefined for any other word. */
export function whyNotYet(command: string): string | undefined {
  return Object.hasOwn(PLANNED, command) ? PLANNED[command] : undefined
}
