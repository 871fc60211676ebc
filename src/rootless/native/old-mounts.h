/*
 * Mounts where the kernel, or a filter around tsbox, lacks open_tree(2), move_mount(2), fsopen(2) (Linux 5.2) or
 * mount_setattr(2) (5.12): the same by mount(2).
 *
 * A detached mount is one at a place of its own on the scratch, from where it is moved; old_use() says where that is.
 * All return -1 and errno. Only to be asked after the newer call answered ENOSYS.
 */
#ifndef TSBOX_OLD_MOUNTS_H
#define TSBOX_OLD_MOUNTS_H

#include <stdbool.h>
#include <stdint.h>

/* `scratch`: a directory of a mount of ours; stays the caller's, and open. */
void old_use(int scratch);
/* A new file system; `options` as mount(2) has them, `attrs` are K_ATTR_*. */
int old_new(const char *fstype, const char *options, unsigned attrs);
int old_clone(int dirfd, const char *path, bool recursive);
int old_move(int mount, int target);
/* Adds K_ATTR_* to a mount (and those below it); `propagation` is MS_PRIVATE and its kin, 0 leaves it. */
int old_setattr(int mount, bool recursive, uint64_t attrs, unsigned long propagation);

#endif
