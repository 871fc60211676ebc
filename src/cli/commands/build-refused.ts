const LIMITS = 'limits need a delegated cgroup, which tsbox does not use yet'

/** Options of `docker build` and `docker buildx build` that tsbox can't honour, and why. */
export const BUILD_REFUSED: Readonly<Record<string, string>> = {
  builder: 'there is one builder',
  'cgroup-parent': LIMITS,
  compress: 'nothing is sent to a daemon',
  'cpu-period': LIMITS,
  'cpu-quota': LIMITS,
  'cpu-shares,c': LIMITS,
  'cpuset-cpus': LIMITS,
  'cpuset-mems': LIMITS,
  'disable-content-trust': 'nothing is downloaded',
  isolation: 'it is for Windows',
  'memory,m': LIMITS,
  'memory-swap': LIMITS,
  policy: 'there are no policies',
  'security-opt': 'the security profile is fixed',
  squash: 'write a stage that copies from the one to squash',
}
