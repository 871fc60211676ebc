/** Limits of a container as asked for, in docker's units; engine and command line share the shape. */
export interface ResourceRequest {
  memoryBytes?: number | undefined
  /** Memory and swap together; -1 is no limit. */
  memorySwapBytes?: number | undefined
  memoryReservationBytes?: number | undefined
  /** 0 to 100; -1 is the machine's. */
  memorySwappiness?: number | undefined
  oomKillDisable?: boolean | undefined
  /** Processors, as 1.5. */
  cpus?: number | undefined
  cpuQuotaUs?: number | undefined
  cpuPeriodUs?: number | undefined
  cpuShares?: number | undefined
  /** As `0-2,7`. */
  cpusetCpus?: string | undefined
  cpusetMems?: string | undefined
  /** -1 is no limit. */
  pids?: number | undefined
  blkioWeight?: number | undefined
  /** Cgroup below which the container's is made: a path, or a slice of systemd. */
  cgroupParent?: string | undefined
}
