/* What the files that read a tree share: see walk.c. */
#ifndef TSBOX_WALK_H
#define TSBOX_WALK_H

#include <sys/stat.h>

#include "entry.h"
#include "owners.h"

/* Buffers for the names of attributes, and for one value. */
enum { MARKS_LIST_MAX = 8192, XATTR_VALUE_MAX = 65536 };

/* Files with more than one link, by inode. */
struct inode {
	dev_t dev;
	ino_t ino;
	char *path;
	struct owner owner;
};

struct walk {
	struct writer *out;
	struct failure *f;
	bool content, single;
	/* Others change the tree meanwhile: what vanishes is left out, what shrinks is filled up with zeros. */
	bool live;
	/* It is the root of a container: what is mounted on these names is not the container's own. */
	bool of_root;
	struct owners *owners;
	/* Path of the entry at hand, relative to the root. */
	char *path;
	size_t path_len, path_cap;
	struct inode *inodes;
	size_t inode_count, inode_slots;
	char *value;
};

/* What the xattrs of a file say besides those of the image. */
struct marks {
	bool opaque;
	char device;
	struct owner owner;
	unsigned major, minor;
	uint32_t count;
	/* Names that belong to the image, sorted. */
	char *names[64];
};

/* walk.c */
/* Sends what `name` is in a directory, as "", and all below it, by the path from there. */
int walk_from(struct walk *w, int dirfd, const char *name);
void walk_init(struct walk *w);
/* The path of the entry at hand. */
void walk_call(struct walk *w, const char *path);
/* Answers OK or the failure, and gives back what a big tree took. */
void walk_conclude(struct walk *w);

/* walk-entry.c; -1 and a failure */
/* `list` is what the names point into; it must live as long as `m`. */
int walk_marks(struct walk *w, int fd, char *list, size_t list_size, struct marks *m);
void walk_send(struct walk *w, const struct entry *e);
/* Regular files and directories: the kinds that can have xattrs. *e is what was sent. */
int walk_send_open(struct walk *w, int fd, const struct stat *st, struct entry *e);
int walk_send_content(struct walk *w, int fd, uint64_t size);
/* Links, fifos, whiteouts and (in a tree that real root made) devices. */
int walk_send_special(struct walk *w, int dirfd, const char *name, const struct stat *st, struct owner *owner);
/* One more name of a file that was sent. */
int walk_send_again(struct walk *w, const struct stat *st, const struct inode *first);

/* walk-inodes.c */
/* What this inode was seen as before; a new record without path the first time. */
struct inode *walk_seen_as(struct walk *w, const struct stat *st);
void walk_remember(struct walk *w, struct inode *slot, const struct stat *st, struct owner o);
void walk_forget(struct walk *w);

#endif
