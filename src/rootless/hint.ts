/** What a person can do about a failure inside the helper; undefined where there is nothing to say. */
export function hintFor(stage: string, errno: string, detail: string): string | undefined {
  switch (stage) {
    case 'newidmap':
      if (errno === 'EPIPE') return undefined
      return errno === 'ENOENT'
        ? 'sudo apt install uidmap, or run with --userns=single'
        : 'check your ranges in /etc/subuid and /etc/subgid, or run with --userns=single'
    case 'chown':
    case 'set user id':
    case 'set group id':
    case 'set groups':
      if (errno !== 'EINVAL') return undefined
      return 'the id is not mapped: give yourself a larger range with sudo usermod --add-subuids 100000-231071 --add-subgids 100000-231071 $USER'
    case 'mount overlay':
      if (errno === 'EINVAL') return 'put the store on a local disk with TSBOX_ROOT: overlayfs refuses this file system'
      if (errno === 'EPERM') return 'overlayfs in a user namespace needs Linux 5.11 or newer'
      return undefined
    case 'record owner':
    case 'record device':
    case 'mark opaque':
      return errno === 'ENOTSUP' || errno === 'EOPNOTSUPP'
        ? 'put the store on a disk with extended attributes, with TSBOX_ROOT'
        : undefined
    case 'namespaces':
      return errno === 'ENOSPC' ? 'sudo sysctl -w user.max_user_namespaces=15000' : undefined
    case 'resource limit':
      return 'a hard limit can only be lowered'
    case 'set oom score':
      return 'without root it can only be raised: cat /proc/self/oom_score_adj tells where it is'
    case 'mount point':
      if (errno === 'ELOOP') return `the image has a link at ${detail}: a container needs a directory there`
      return errno === 'EPERM' ? 'nothing can be mounted over /proc or in it: choose another path' : undefined
    case 'session keyring':
      return errno === 'EDQUOT' ? 'too many keyrings: sudo sysctl -w kernel.keys.maxkeys=2000' : undefined
    case 'write':
      if (!detail.startsWith('/proc/sys/')) return undefined
      return 'the kernel keeps this setting for the root of the machine, or does not have it'
    case 'exec':
      if (errno === 'ENOEXEC') return `"${detail}" is no program of this machine's architecture, or a script without #!`
      return undefined
    default:
      return errno === 'ENOSPC' ? 'free some disk space: tsbox system prune -a' : undefined
  }
}
