/*
 * A root without overlayfs, where that refuses the store's file system (overlay on overlay) or a layer (whiteout.h):
 * the layers are copied into one directory, and what the step changed in it is found afterwards.
 *
 *   work/root        the copy, the step's root           work/copied      what was copied: paths, modes, owners, times
 *   upper            the layer, as overlayfs would have left it
 *
 * Files are copied by reflink where the file system can, so that they share their blocks; a tree that is only read is
 * made of hard links. A step starts a tick of the clock after the last copy: what has another ctime then was changed.
 *
 * Invariant: while work/copied is there, work/root is the container's truth and upper is what it was before; after
 * copied_finish() it is upper. Every death in between leaves one or the other, and the next start goes on from there.
 */
#ifndef TSBOX_COPIED_H
#define TSBOX_COPIED_H

/* Begin of the names of trees that are only read. */
#define COPIES "copy-"

#include <sys/stat.h>

#include "util.h"

/* Layers on disk, topmost first, and where a step's changes belong: NULL for a tree that is only read. */
struct layer_stack {
	const char *const *layers;
	uint32_t count;
	const char *upper, *work;
	/* One mapped id: see owners.h. */
	bool single;
};

/* Makes the copy, or takes the one of a container that died. @return descriptor of its directory; -1 with a failure */
int copied_open(const struct layer_stack *k, struct failure *f);
/* Hard links to the layers' files in `place`/name, for reading. @return as copied_open() */
int copied_links(const struct layer_stack *k, int place, const char *name, struct failure *f);
/* Whether there is a copy of a container that died. */
bool copied_begun(const char *work);
/* Removes what copied_links() made in a directory. */
int copied_discard(int place, struct failure *f);
/* Turns a copy into the layer; nothing where there is none. Call it when no process of the step is left. */
int copied_finish(const char *upper, const char *work, struct failure *f);

/* copy-tree.c: one name with all that is below it, and its attributes; `link` shares the files. */
struct copier {
	struct failure *f;
	/* Path below the tree, for messages. */
	char path[4200];
	bool link, single, has_links;
};
/* Adds the tree `from` to `to` as the layer above what is there. */
int copy_layer(struct copier *c, int from, int to);
/* Makes `name` of `to` what it is in `from`, without what is below a directory; `st` of it. */
int copy_name(struct copier *c, int from, int to, const char *name, const struct stat *st);
/* Owner, mode, attributes and times of an existing directory. */
int copy_attributes(struct copier *c, int from, int to, const struct stat *st);
/* Adds a name to the path; *length is for copy_leave(). @return -1, with a failure, where it gets too long */
int copy_enter(struct copier *c, const char *name, size_t *length);
void copy_leave(struct copier *c, size_t length);

#endif
