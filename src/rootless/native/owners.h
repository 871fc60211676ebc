/*
 * Owners that one mapped id can't express ("single" mode).
 *
 * Files and directories carry them in the xattr user.rootlesscontainers, the convention of umoci and PRoot: a protobuf
 * message { uint32 uid = 1; uint32 gid = 2; }. Links, fifos and sockets can't have user xattrs (xattr(7)): theirs are
 * records of the file `owners` beside the tree, sorted by path:
 *
 *     UID GID PATH\0       decimal; PATH relative to the tree
 *
 * Device nodes can't be made in a user namespace in either mode. They are empty regular files with the xattr
 * user.tsbox.device: "c:MAJOR:MINOR" or "b:MAJOR:MINOR".
 */
#ifndef TSBOX_OWNERS_H
#define TSBOX_OWNERS_H

#include "util.h"

#define XATTR_OWNER "user.rootlesscontainers"
#define XATTR_DEVICE "user.tsbox.device"
#define OWNERS_FILE "owners"

struct owner {
	uint32_t uid, gid;
};

/* Message of the xattr: its length (0 for 0:0, whose xattr is left out), at most OWNER_MAX bytes. */
#define OWNER_MAX 12
size_t owner_encode(struct owner o, uint8_t out[OWNER_MAX]);
/* False for what is no such message. */
bool owner_decode(const uint8_t *data, size_t len, struct owner *o);

/* Sets or removes the xattr of an open file or directory. */
int owner_set(int fd, struct owner o);

/* A table in memory; an absent file is an empty one. */
struct owners;
struct owners *owners_load(int dirfd);
bool owners_find(struct owners *t, const char *path, struct owner *o);
/* The last owner given to a path wins; 0:0 takes its record away. */
void owners_put(struct owners *t, const char *path, struct owner o);
/* Replaces the file by rename; removes it when there is no record. */
int owners_save(struct owners *t, int dirfd);
/* Drops the records of paths that are not below `dir`; true where there were any. */
bool owners_restrict(struct owners *t, int dir);
void owners_free(struct owners *t);

#endif
