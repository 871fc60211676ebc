/* Directories beneath a root, whatever links there are in it. */
#ifndef TSBOX_BENEATH_H
#define TSBOX_BENEATH_H

#include <stdbool.h>
#include <stdint.h>

/* Names and single slashes, no `.` and no `..`; "" is the root. */
bool good_path(const char *path);
/* `resolve` as for openat2(2). */
int open_dir_beneath(int root, const char *path, uint64_t resolve);
/* Makes what is missing, a component at a time, so that links count from the root; opens the last one. */
int make_dirs(int root, const char *path);

#endif
