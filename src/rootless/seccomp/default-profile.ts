import { CAPABILITIES } from '../capability.js'
import type { SeccompMachine } from './machine.js'
import { ACTION, type ArgumentTest, ENOSYS, EPERM, type SeccompProfile, type SeccompRule } from './profile.js'
import { MACHINE_ABIS } from './syscall-numbers.js'

/** What every container may call: Docker's list. What is not here, or below, is refused. */
const ALLOWED = `
  _llseek _newselect accept accept4 access adjtimex alarm bind brk cachestat capget capset chdir chmod chown chown32
  clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime clock_gettime64 clock_nanosleep
  clock_nanosleep_time64 close close_range connect copy_file_range creat dup dup2 dup3 epoll_create epoll_create1
  epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old eventfd eventfd2 execve execveat exit
  exit_group faccessat faccessat2 fadvise64 fadvise64_64 fallocate fanotify_mark fchdir fchmod fchmodat fchmodat2
  fchown fchown32 fchownat fcntl fcntl64 fdatasync fgetxattr flistxattr flock fork fremovexattr fsetxattr fstat
  fstat64 fstatat64 fstatfs fstatfs64 fsync ftruncate ftruncate64 futex futex_requeue futex_time64 futex_wait
  futex_waitv futex_wake futimesat get_robust_list get_thread_area getcpu getcwd getdents getdents64 getegid getegid32
  geteuid geteuid32 getgid getgid32 getgroups getgroups32 getitimer getpeername getpgid getpgrp getpid getppid
  getpriority getrandom getresgid getresgid32 getresuid getresuid32 getrlimit getrusage getsid getsockname getsockopt
  gettid gettimeofday getuid getuid32 getxattr getxattrat inotify_add_watch inotify_init inotify_init1
  inotify_rm_watch io_cancel io_destroy io_getevents io_pgetevents io_pgetevents_time64 io_setup io_submit ioctl
  ioprio_get ioprio_set ipc kill landlock_add_rule landlock_create_ruleset landlock_restrict_self lchown lchown32
  lgetxattr link linkat listen listmount listxattr listxattrat llistxattr lremovexattr lseek lsetxattr lstat lstat64
  madvise map_shadow_stack membarrier memfd_create memfd_secret mincore mkdir mkdirat mknod mknodat mlock mlock2
  mlockall mmap mmap2 mprotect mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend
  mq_timedsend_time64 mq_unlink mremap mseal msgctl msgget msgrcv msgsnd msync munlock munlockall munmap
  name_to_handle_at nanosleep newfstatat open openat openat2 pause pidfd_open pidfd_send_signal pipe pipe2 pkey_alloc
  pkey_free pkey_mprotect poll ppoll ppoll_time64 prctl pread64 preadv preadv2 prlimit64 process_mrelease
  process_vm_readv process_vm_writev pselect6 pselect6_time64 ptrace pwrite64 pwritev pwritev2 read readahead readlink
  readlinkat readv recv recvfrom recvmmsg recvmmsg_time64 recvmsg remap_file_pages removexattr removexattrat rename
  renameat renameat2 restart_syscall riscv_hwprobe rmdir rseq rt_sigaction rt_sigpending rt_sigprocmask
  rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo
  sched_get_priority_max sched_get_priority_min sched_getaffinity sched_getattr sched_getparam sched_getscheduler
  sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity sched_setattr sched_setparam sched_setscheduler
  sched_yield seccomp select semctl semget semop semtimedop semtimedop_time64 send sendfile sendfile64 sendmmsg
  sendmsg sendto set_robust_list set_thread_area set_tid_address setfsgid setfsgid32 setfsuid setfsuid32 setgid
  setgid32 setgroups setgroups32 setitimer setpgid setpriority setregid setregid32 setresgid setresgid32 setresuid
  setresuid32 setreuid setreuid32 setrlimit setsid setsockopt setuid setuid32 setxattr setxattrat shmat shmctl shmdt
  shmget shutdown sigaltstack signalfd signalfd4 sigprocmask sigreturn socketcall socketpair splice stat stat64 statfs
  statfs64 statmount statx symlink symlinkat sync sync_file_range syncfs sysinfo tee tgkill time timer_create
  timer_delete timer_getoverrun timer_gettime timer_gettime64 timer_settime timer_settime64 timerfd_create
  timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64 times tkill truncate truncate64 ugetrlimit umask
  uname unlink unlinkat uretprobe utime utimensat utimensat_time64 utimes vfork vmsplice wait4 waitid waitpid write
  writev
`

/** What a machine needs beside it. */
const MACHINE_ALLOWED: Readonly<Record<SeccompMachine, string>> = {
  x64: 'arch_prctl modify_ldt',
  arm64: 'arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint cacheflush set_tls',
}

/** What may be called with a capability: it decides then. */
const CAPABILITY_ALLOWED: Readonly<Record<string, string>> = {
  BPF: 'bpf',
  DAC_READ_SEARCH: 'open_by_handle_at',
  PERFMON: 'perf_event_open',
  SYS_ADMIN:
    'bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie lsm_get_self_attr lsm_list_modules ' +
    'lsm_set_self_attr mount mount_setattr move_mount open_tree perf_event_open quotactl quotactl_fd setdomainname ' +
    'sethostname setns syslog umount umount2 unshare',
  SYS_BOOT: 'reboot',
  SYS_CHROOT: 'chroot',
  SYS_MODULE: 'delete_module finit_module init_module',
  SYS_NICE: 'get_mempolicy mbind set_mempolicy set_mempolicy_home_node',
  SYS_PACCT: 'acct',
  SYS_PTRACE: 'kcmp pidfd_getfd process_madvise process_vm_readv process_vm_writev ptrace',
  SYS_RAWIO: 'ioperm iopl',
  SYS_TIME: 'clock_settime clock_settime64 settimeofday stime',
  SYS_TTY_CONFIG: 'vhangup',
  SYSLOG: 'syslog',
}

/** PER_LINUX, PER_LINUX32, UNAME26, both, and the question what it is. @see personality(2) */
const PERSONALITIES = [0x0n, 0x8n, 0x20000n, 0x20008n, 0xffffffffn]
/** CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID and NEWNET: a new namespace. */
const NAMESPACES = 0x7e020000n

const AF_ALG = 38n
const AF_VSOCK = 40n

/**
 * Docker's default profile for a machine and a set of capabilities. It differs from Docker's in one thing: domains of
 * sockets and personalities are compared as the kernel takes them, as 32 bits; what stands in the upper half of the
 * register can't make AF_ALG look like something else.
 *
 * @param capabilities numbers, the container's bounding set
 * @see moby profiles/seccomp
 */
export function defaultProfile(machine: SeccompMachine, capabilities: readonly number[]): SeccompProfile {
  const has = new Set(capabilities.map((n) => CAPABILITIES[n]))
  const rules: SeccompRule[] = [
    allow(ALLOWED),
    allow(MACHINE_ALLOWED[machine]),
    allow('socket', int(0, 'lt', AF_ALG)),
    allow('socket', int(0, 'eq', AF_ALG + 1n)),
    allow('socket', int(0, 'gt', AF_VSOCK)),
    ...PERSONALITIES.map((p) => allow('personality', int(0, 'eq', p))),
  ]
  for (const [name, calls] of Object.entries(CAPABILITY_ALLOWED)) if (has.has(name)) rules.push(allow(calls))
  if (!has.has('SYS_ADMIN'))
    rules.push(
      allow('clone', { index: 0, op: 'masked-eq', mask: NAMESPACES, value: 0n }),
      // Its flags are in memory, where no filter looks; libraries take clone where there is no clone3.
      { names: ['clone3'], action: ACTION.errno(ENOSYS) },
    )
  const abis = MACHINE_ABIS[machine]
  return { defaultAction: ACTION.errno(EPERM), unknownAction: ACTION.errno(ENOSYS), abis, rules }
}

function allow(names: string, ...tests: ArgumentTest[]): SeccompRule {
  return { names: names.trim().split(/\s+/), action: ACTION.allow, tests }
}

function int(index: number, op: ArgumentTest['op'], value: bigint): ArgumentTest {
  return { index, op, value, int: true }
}
