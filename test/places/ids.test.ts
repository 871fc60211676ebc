/** Places 1: where ids come from. */
import { join } from 'node:path'
import { bwrap, place, programsBefore } from './place.js'

place('subordinate ids', {
  subids: true,
  mode: 'subid',
  doctor: { userns: ['ok', /./], subid: ['ok', /ids mapped/], overlay: ['ok', /./] },
})

place('no subordinate ids', {
  subids: false,
  mode: 'single',
  doctor: { userns: ['ok', /./], subid: ['missing', /no range for this user|not installed/] },
})

place('no newuidmap', {
  needs: [['bwrap', 'bubblewrap']],
  // Other places where it may be are looked at, too: all of them are covered.
  start: () => bwrap('--tmpfs', '/usr/local/bin', '--ro-bind', '/dev/null', '/usr/bin/newuidmap'),
  mode: 'single',
  doctor: { subid: ['missing', /^newuidmap is not installed$/] },
})

place('newuidmap refuses', {
  subids: true,
  env: (p) => {
    const refusal = '#!/bin/sh\necho "newuidmap: write to uid_map failed: Operation not permitted" >&2\nexit 1\n'
    return { PATH: `${programsBefore(p, { newuidmap: refusal, newgidmap: refusal })}:${process.env.PATH}` }
  },
  mode: 'single',
  doctor: { subid: ['missing', /newuidmap refuses: .*write to uid_map failed.*EPERM/] },
})

place('no_new_privs takes the powers of newuidmap', {
  needs: [['setpriv', 'util-linux']],
  subids: true,
  start: () => ['setpriv', '--no-new-privs'],
  mode: 'single',
  doctor: { subid: ['missing', /newuidmap refuses/] },
})

place('a uid without an account', {
  needs: [['bwrap', 'bubblewrap']],
  start: () => bwrap('--ro-bind', '/dev/null', '/etc/passwd', '--uid', '1000690000', '--gid', '0'),
  mode: 'single',
  doctor: { account: ['info', /^uid 1000690000 has none/] },
})

place('root of a namespace with one id', {
  needs: [['unshare', 'util-linux']],
  start: () => ['unshare', '--user', '--map-root-user'],
  mode: 'single',
  doctor: { subid: ['missing', /^only 1 of the ids/] },
})

place('root of a namespace with all of the ids of a user', {
  needs: [['unshare', 'util-linux']],
  subids: true,
  start: () => ['unshare', '--user', '--map-root-user', '--map-auto'],
  mode: 'subid',
  doctor: { subid: ['ok', /not needed: root maps all ids itself/] },
})

place('a home that nobody can write to, and no account', {
  needs: [['bwrap', 'bubblewrap']],
  start: (p) =>
    bwrap('--ro-bind', '/dev/null', '/etc/passwd', '--uid', '1000690000', '--bind', join(p.dir, 'out'), '/var/tmp'),
  env: () => ({ HOME: '/', TSBOX_ROOT: undefined }),
  mode: 'single',
  doctor: { store: ['info', /^\/var\/tmp\/tsbox-1000690000, because nothing can be made in "\/"/] },
})
