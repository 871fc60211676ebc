/** What of a container is other than usual, as given on the command line; engine and command line share the shape. */
export interface RunIsolation {
  privileged?: boolean | undefined
  capAdd?: readonly string[] | undefined
  capDrop?: readonly string[] | undefined
  /** `seccomp=FILE|unconfined`, `no-new-privileges`, `mask=PATHS`, `unmask=PATHS|ALL`, `apparmor=…`, `label=…`. */
  securityOpts?: readonly string[] | undefined
  readOnly?: boolean | undefined
  /** `PATH[:OPTIONS]`. */
  tmpfs?: readonly string[] | undefined
  /** `type=…,target=…`. */
  mounts?: readonly string[] | undefined
  /** `HOST[:CONTAINER[:PERMISSIONS]]`. */
  devices?: readonly string[] | undefined
  /** Names of the image's groups, or numbers. */
  groupAdd?: readonly string[] | undefined
  ipc?: string | undefined
  uts?: string | undefined
  pid?: string | undefined
  cgroupns?: string | undefined
  /** Container whose network it is in, by name or id. */
  networkOf?: string | undefined
  /** `KEY=VALUE`. */
  sysctls?: readonly string[] | undefined
  extraHosts?: readonly { name: string; address: string }[] | undefined
  dns?: readonly string[] | undefined
  dnsSearch?: readonly string[] | undefined
  dnsOptions?: readonly string[] | undefined
  oomScoreAdj?: number | undefined
}
