/* The helper's program as it executes itself: a copy in memory that nobody can write to. */
#ifndef TSBOX_PROGRAM_H
#define TSBOX_PROGRAM_H

#include <sys/types.h>

/*
 * A descriptor of that copy, for execveat(2): of the one that `living` executes where that is sealed and byte for byte
 * the same program, so that many containers have it in memory once; else of a new one. Who or what `living` is does not
 * matter; 0 is nobody. -1 and errno.
 */
int program_sealed(pid_t living);

#endif
