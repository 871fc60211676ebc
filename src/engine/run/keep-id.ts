import type { RunRequest } from '../api.js'

/** A request whose ids are mapped in a way that the helper has. */
export type MappedRequest = RunRequest & { userns: Exclude<RunRequest['userns'], 'keep-id'> }

/**
 * What podman calls `keep-id`: the container's user has the ids that this user has here, and what it writes into folders
 * of this user is this user's. With one mapped id every process is this user, whatever ids it is told that it has: so
 * this is `single`, and the user that is asked for.
 */
export function mappedRequest(request: RunRequest): MappedRequest {
  const { userns, user } = request
  if (userns !== 'keep-id') return { ...request, userns }
  const own = `${process.getuid?.() ?? 0}:${process.getgid?.() ?? 0}`
  return { ...request, userns: 'single', user: user ?? own }
}
