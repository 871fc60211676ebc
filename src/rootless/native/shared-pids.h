/*
 * A step where no pid namespace may be made (sandboxes, user.max_pid_namespaces=0): its init is not process 1, so
 * nothing ends with it by itself.
 *
 *   agent, worker, init: each a subreaper; what loses its parent becomes a child of the nearest one that lives
 *
 * Invariants: whoever ends first kills its children until none is left; a payload can signal only what its own
 * processes are, where the kernel can say so (Landlock, Linux 6.12). If the agent itself is killed, nobody is left to
 * end what the payload put into the background.
 */
#ifndef TSBOX_SHARED_PIDS_H
#define TSBOX_SHARED_PIDS_H

#include <stdbool.h>
#include <sys/types.h>

/* A directory of processes in which the caller's children have the numbers that it knows; -1 and errno without one. */
int shared_pids_open(void);
/* Kills and reaps the caller's children, and theirs, until none is left but those that `keep` is true for. */
struct shared_pids_ending {
	bool (*keep)(const void *with, pid_t pid);
	void (*ended)(void *with, pid_t pid, int status);
	void *with;
};
void shared_pids_end(int proc, const struct shared_pids_ending *e);
/* Keeps the caller, and what it will execute, from signalling other processes; false where the kernel can't. */
bool shared_pids_fence(void);

#endif
