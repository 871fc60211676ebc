/*
 * Waiting for long. A container's monitor and its init do nothing nearly all of their lives: once that has lasted a
 * moment they give back what memory they can have again, so that a hundred idle containers cost next to nothing.
 */
#ifndef TSBOX_IDLE_H
#define TSBOX_IDLE_H

#include <poll.h>

/*
 * As poll(2) without a timeout. Where nothing comes for a second, `release` frees what the caller can do without, and
 * then the stack below the caller and the pages of the program itself go: those come back, page by page, when they are
 * used. `release` must leave `set` alone.
 */
int idle_poll(struct pollfd *set, nfds_t count, void (*release)(void *), void *context);

#endif
