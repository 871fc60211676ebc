/*
 * What the init of a container knows: its payload, and the processes that came later (`exec`). Those are children of
 * the init too, forked with its namespaces and root, and end with the payload.
 */
#ifndef TSBOX_INIT_H
#define TSBOX_INIT_H

#include "emulate.h"
#include "site.h"
#include "step.h"

enum { TASKS_MAX = 256 };

/* A process that was asked for: the payload, or one that came later. */
struct task {
	/* 0 is the payload; the others' numbers are the monitor's. */
	uint32_t id;
	pid_t pid;
	/* Status pipe until its exec, -1 then. */
	int status;
	bool faked, ended;
	/* What its process wrote before it died, if it failed: seen when its status pipe is closed. */
	struct failure *last_word;
	int exit_status;
	struct task *next;
};

struct init {
	const struct init_args *args;
	struct site site;
	struct failure failure;
	struct reader in;
	struct writer out;
	/* The payload's. */
	struct terminal terminal;
	struct task payload, *others;
	int children;
	/* Where processes are found that no pid namespace of ours holds; -1 with one. */
	int proc;
	/* Another container's /dev/shm, -1 without. */
	int shm;
	/* The emulation, and its listeners: one for the payload, one for each further process. */
	struct emu *emu;
	int listeners[TASKS_MAX];
	size_t listener_count, task_count;
};

/* Tells in->failure; the container is over. */
_Noreturn void init_abandon(struct init *in);

/* init-place.c: waits for its cgroup, and enters namespaces of others. -1 and in->failure. */
int place_settle(struct init *in);
/* Stops all processes, or lets them go on: of a pid namespace of our own. */
void place_pause(struct init *in, bool on);
/* Whether its payload shall be kept from signalling processes beside it. */
bool place_is_fenced(const struct init_args *a);

/* Passes a terminal's master to the worker, which takes it when it hears of it. -1 and errno. */
int task_hand_out(struct init *in, int master, uint32_t id);
/* Forks and executes `p`: 0, or -1 and errno. */
int task_fork(struct task *t, struct payload *p);
/* One more process, as a SPAWN frame says. */
void task_spawn(struct init *in, const struct frame *frame);
/* Its status pipe has something. The task may be gone afterwards. */
void task_hear(struct init *in, struct task *t);
/* A child was reaped: of a task, or of nobody's. */
void task_note_end(struct init *in, pid_t pid, int status);
/* `type`: EXIT for the payload, SPAWN_EXIT for another. */
void task_tell_exit(struct init *in, uint8_t type, const struct task *t);
/* copy.c: a COPY frame, in a process of its own. */
void copy_start(struct init *in, const struct frame *frame);
/* Answers a FILES frame. */
void task_send_files(struct init *in, const struct frame *frame);

#endif
