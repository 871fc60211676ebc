/* A worker serves the requests of one lane, one after another. */
#ifndef TSBOX_WORKER_H
#define TSBOX_WORKER_H

#include <signal.h>
#include <stdbool.h>
#include <sys/resource.h>

/* What every request may want to know. */
struct world {
	/* One id is mapped: owners are recorded beside the files. */
	bool single;
	/* No user namespace bounds what root of a container may. */
	bool host;
	/* Set, for all of the agent's processes, where a step shares its pid namespace with us: shared-pids.h. */
	volatile bool *shares_pids;
	/* RLIMIT_NOFILE as it was given to the helper. */
	struct rlimit nofile;
};

/* Ends a worker when tsbox has ended; a container's monitor ignores it. */
enum { WORKER_END = SIGALRM };

_Noreturn void worker_main(int lane, const struct world *world);

#endif
