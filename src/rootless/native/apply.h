/*
 * Writes a layer's entries below a directory.
 *
 * The entries may come from a hostile archive. Every name is checked, every parent is opened with openat2 beneath the
 * root, and the last component is only ever created exclusively, unlinked, or opened with O_NOFOLLOW: nothing outside
 * of the root can be reached, whatever links the archive has. A parent that is a link is followed as if the root were
 * `/`, as tools that unpack in a chroot do.
 *
 * Owner before mode (chown clears set-id bits, chown(2)), times last, those of directories when all is written.
 */
#ifndef TSBOX_APPLY_H
#define TSBOX_APPLY_H

#include <time.h>

#include "entry.h"
#include "owners.h"

struct dir_time {
	char *path;
	int64_t mtime;
};

struct apply {
	struct failure *f;
	bool single;
	/* A directory and what is none don't take each other's place. */
	bool merge;
	int root;
	/* The store has default ACLs: what is created does not get the permissions asked for (acl(5)). */
	bool acls;
	struct owners *owners;
	bool owners_changed;
	/* The last parent, kept open: siblings follow each other. */
	char *parent_path;
	int parent;
	/* New files in it get its group (inode(7), S_ISGID). */
	bool parent_sgid;
	struct dir_time *times;
	size_t time_count, time_cap;
	/* The file that data goes to, what it still lacks, and a copy of its entry. */
	int file;
	uint64_t missing;
	uint8_t *held;
	uint32_t held_len;
};

/*
 * apply.c: reads FR_ENTRY and FR_DATA frames up to FR_END, writes below a->root, which it takes, and answers. `beside`
 * holds the record of owners of what can't have attributes, -1 where there is none.
 */
void apply_all(struct apply *a, int beside, struct reader *in, struct writer *out);

/* apply-entry.c: each makes an entry whose name was checked, with its metadata. -1 and a failure. */
int apply_dir(struct apply *a, const struct entry *e);
/* Where content is to come, a->file and a->missing say so, and the metadata waits for it. */
int apply_file(struct apply *a, const struct entry *e);
int apply_link(struct apply *a, const struct entry *e);
/* Links, fifos and whiteouts. */
int apply_special(struct apply *a, const struct entry *e);
/* A whiteout speaks of lower layers: what this layer has under the name stays, and hides them. */
int apply_whiteout(struct apply *a, const struct entry *e);
int apply_opaque(struct apply *a, const char *path);

/* apply-meta.c */
/* `fresh`: made by us just now, so that a plain file is root's already. */
int apply_meta(struct apply *a, int fd, const struct entry *e, bool fresh);
/* For links and fifos, which can't have xattrs and aren't opened. */
int apply_owner_at(struct apply *a, int parent, const char *name, const struct entry *e);
int apply_opaque_mark(struct apply *a, int fd, const char *path);
void apply_times(int64_t mtime, struct timespec t[2]);

#endif
