const REALTIME = 'cgroup v2 has no shares of real-time scheduling'
const DISKS = 'the speed of single disks is not limited: give a share with --blkio-weight'
const NETWORK = 'containers have the network of the host, or none'
const HEALTH = 'health checks are not run yet'
const WINDOWS = 'it is for Windows'
const DEVICES = 'only root can limit the use of devices'

/** Options of `docker run` that tsbox can't honour, and why. */
export const RUN_REFUSED: Readonly<Record<string, string>> = {
  'blkio-weight-device': DISKS,
  'cpu-count': WINDOWS,
  'cpu-percent': WINDOWS,
  'cpu-rt-period': REALTIME,
  'cpu-rt-runtime': REALTIME,
  'device-cgroup-rule': DEVICES,
  'device-read-bps': DISKS,
  'device-read-iops': DISKS,
  'device-write-bps': DISKS,
  'device-write-iops': DISKS,
  'disable-content-trust': 'nothing is downloaded',
  domainname: 'containers have no domain name',
  gpus: 'there is no runtime for GPUs: give their devices with --device',
  'health-cmd': HEALTH,
  'health-interval': HEALTH,
  'health-retries': HEALTH,
  'health-start-interval': HEALTH,
  'health-start-period': HEALTH,
  'health-timeout': HEALTH,
  'io-maxbandwidth': WINDOWS,
  'io-maxiops': WINDOWS,
  ip: NETWORK,
  ip6: NETWORK,
  isolation: WINDOWS,
  'kernel-memory': 'the kernel counts its memory with that of the container: use --memory',
  link: `${NETWORK}: use --network container:NAME, or talk over a shared volume`,
  'link-local-ip': NETWORK,
  'mac-address': NETWORK,
  'network-alias': NETWORK,
  'publish,p': `${NETWORK}: what listens in it is reached at its own port`,
  'publish-all,P': `${NETWORK}: what listens in it is reached at its own port`,
  restart: 'nothing watches over containers yet but their own monitor, which does not start them again',
  runtime: 'tsbox is its own runtime',
  'storage-opt': 'there are no quotas of the store',
  'use-api-socket': 'there is no daemon',
  'volume-driver': 'there are no volume drivers',
  'volumes-from': 'volumes are not shared between containers yet: name them with -v NAME:PATH',
}
