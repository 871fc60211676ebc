/*
 * How a layer on disk says that something of the layers below it is gone.
 *
 *   name removed          character device 0:0        or an empty file with user.tsbox.device=c:0:0
 *   directory replaced    user.overlay.opaque=y       or user.tsbox.opaque=y
 *
 * The left column is overlayfs's own; the right one is for file systems that refuse it (overlayfs itself has no such
 * device, and keeps that attribute to itself). Overlayfs does not understand the right one: a file beside the tree says
 * that its layer can only be copied.
 */
#ifndef TSBOX_WHITEOUT_H
#define TSBOX_WHITEOUT_H

#include <stdbool.h>
#include <sys/stat.h>

/* `layer` is the directory of the whole layer, for the note beside it. All return -1 and errno. */
int whiteout_make(int layer, int dirfd, const char *name);
int opaque_make(int layer, int fd);

/* Whether a directory entry is one; `st` of the entry itself. */
bool whiteout_is(int dirfd, const char *name, const struct stat *st);
bool opaque_is(int fd);

/* Whether overlayfs would misunderstand a layer. */
bool layer_is_plain(const char *layer);

#endif
