/** Places 2: kernels, and filters that know no more than those. */
import assert from 'node:assert/strict'
import { TSBOX } from '../helpers/cli.js'
import { runProgram } from '../helpers/programs.js'
import { place } from './place.js'

place('Linux before 6.7: no lowerdir+ in overlayfs', {
  start: (p) => [p.refuse, 'lowerdir+=EINVAL', '--'],
  mode: 'single',
  doctor: { kernel: ['info', /without lowerdir\+ of overlayfs \(EINVAL\)/], overlay: ['ok', /stacked/] },
})

place('Linux before 6.6: no user attributes on tmpfs', {
  start: (p) => [p.refuse, 'tmpfs-xattr=EOPNOTSUPP', '--'],
  mode: 'single',
  doctor: { kernel: ['info', /extended attributes on tmpfs \(E/], xattr: ['ok', /./] },
  look: ({ cli, refuse }) => {
    // What can have no attribute has a record in a table.
    const script = 'echo x >/dev/shm/f && chown 12:13 /dev/shm/f && stat -c %u:%g /dev/shm/f'
    const args = ['tmpfs-xattr=EOPNOTSUPP', '--', TSBOX, 'run', '--rm', 'made', 'sh', '-c', script]
    assert.equal(runProgram(refuse, args, { env: cli.env }), '12:13\n')
  },
})

place('Linux 5.11: no mount_setattr', {
  start: (p) => [p.refuse, 'lowerdir+=EINVAL', 'mount_setattr=ENOSYS', '--'],
  mode: 'single',
  doctor: { kernel: ['info', /lowerdir\+.*mount_setattr \(ENOSYS\)/], overlay: ['ok', /stacked/] },
})

place('a filter that knows no call of the new mount interface', {
  start: (p) => [
    p.refuse,
    ...['fsopen', 'fsconfig', 'fsmount', 'open_tree', 'move_mount', 'mount_setattr'].map((c) => `${c}=ENOSYS`),
    '--',
  ],
  mode: 'single',
  doctor: { userns: ['ok', /./], overlay: ['ok', /stacked/], kernel: ['info', /mount_setattr \(ENOSYS\)/] },
})

place('a filter that does not know clone3', {
  start: (p) => [p.refuse, 'clone3=ENOSYS', '--'],
  mode: 'single',
  doctor: { pids: ['ok', /./], seccomp: ['info', /a filter is around tsbox/] },
})

place('older calls with all of the ids of a user', {
  needs: [['unshare', 'util-linux']],
  subids: true,
  // Root of a namespace may install a filter without giving up set-user-ID programs.
  start: (p) => [
    ...['unshare', '--user', '--map-root-user', '--map-auto'],
    ...[p.refuse, 'lowerdir+=EINVAL', 'mount_setattr=ENOSYS', 'clone3=ENOSYS', '--'],
  ],
  mode: 'subid',
  doctor: { kernel: ['info', /lowerdir\+/] },
})
