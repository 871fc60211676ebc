/* Entries of a layer as frames: see src/layer/entry.ts for what they mean. */
#ifndef TSBOX_ENTRY_H
#define TSBOX_ENTRY_H

#include "frame.h"

enum entry_type {
	E_FILE = 0,
	E_DIR = 1,
	E_SYMLINK = 2,
	E_HARDLINK = 3,
	E_CHAR = 4,
	E_BLOCK = 5,
	E_FIFO = 6,
	E_WHITEOUT = 7,
	E_OPAQUE = 8,
};

struct entry {
	uint8_t type;
	uint32_t mode, uid, gid, major, minor;
	int64_t mtime;
	uint64_t size;
	const char *path, *link;
	/* Encoded: (name, value) pairs up to the end of the frame. */
	uint32_t xattr_count;
	struct cursor xattrs;
};

/* Attributes of a layer: the image's own, without those that overlayfs and tsbox keep for themselves. */
bool xattr_belongs(const char *name, bool single);

/* Everything before the xattrs; the caller adds `xattr_count` pairs and ends the frame. */
void entry_begin(struct writer *w, const struct entry *e);
/* False for a malformed one. */
bool entry_parse(const struct frame *f, struct entry *e);

#endif
