const LIMITS = 'limits need a delegated cgroup, which tsbox does not use yet'
const REGISTRY = 'tsbox does not talk to registries yet'
const ATTEST = 'no attestations are made'

/** Options of `docker build` and `docker buildx build` that tsbox can't honour, and why. */
export const BUILD_REFUSED: Readonly<Record<string, string>> = {
  allow: 'steps have no privileges that could be allowed',
  annotation: 'manifests have no annotations yet',
  attest: ATTEST,
  builder: 'there is one builder',
  'cache-from': REGISTRY,
  'cache-to': REGISTRY,
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
  'no-cache-filter': 'use --no-cache, or --target with it',
  policy: 'there are no policies',
  provenance: ATTEST,
  pull: REGISTRY,
  push: REGISTRY,
  sbom: ATTEST,
  'security-opt': 'the security profile is fixed',
  'shm-size': 'the size of /dev/shm is fixed',
  squash: 'write a stage that copies from the one to squash',
  ssh: 'agents are not forwarded yet',
  ulimit: LIMITS,
}
