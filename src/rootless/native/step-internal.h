/* What the files of a step's worker share. Nobody else includes this. */
#ifndef TSBOX_STEP_INTERNAL_H
#define TSBOX_STEP_INTERNAL_H

#include "monitor.h"
#include "step.h"

enum { CREATED_MAX = 256 };

struct step {
	const struct world *world;
	struct reader *lane;
	struct writer *out;
	enum stdio_mode stdio;
	bool wants_stdin, own_net, monitored;
	struct placement place;
	/* Host directory of the root's changes, "" without one; that on which the root is mounted. */
	char *upper, *root_path;
	/* Without a pid namespace, which could not be had: shared-pids.h. */
	bool shares_pids;

	pid_t init;
	struct reader from_init;
	struct writer to_init;
	/* Our ends of the payload's streams, -1 when closed: [0] is written. */
	int stream[3];
	/* A terminal's master that no monitor has taken yet; the way by which descriptors come and go. */
	int master, pass;
	struct monitor *monitor;
	/* With a monitor: the container's folder, and where it goes for removal at the end (NULL or "" where it stays). */
	char *folder, *trash;
	/* There is, or will be, a payload; and it lives on without Node. */
	bool executed, detached;
	uint8_t *input;
	size_t input_len, input_at;
	bool input_ends;
	struct relay *relay;

	/* How it went. */
	bool ready, started, has_exit, killed;
	uint8_t exit_kind;
	uint32_t exit_value;
	struct failure failure;
	/* The root (or another tree) is a copy of its layers, made with this work directory ("" for none): copied.h. */
	char *copied_work;
	/* Mount points that were made in the upper. */
	char *created[CREATED_MAX];
	size_t created_count;
};

static inline void step_close(struct step *s, int i)
{
	close_fd(&s->stream[i]);
}

/* step-start.c: makes the streams and the init. -1 and a failure. */
int step_start(struct step *s, struct init_args *a);
/* Ends what the init left behind; it leaves nothing where it has a pid namespace. */
void step_end_orphans(struct step *s);

/* step-place.c: what a RUN frame says of it. False for a malformed one. */
bool place_parse(struct cursor *c, struct placement *p);
/* 0 in the init; -1 and a failure. */
pid_t place_clone(struct step *s, struct init_args *a);
/* The init, which waits for it, may go on: at once, or when FR_GO comes. -1 and a failure. */
int place_let_go(struct step *s);
/* After the init's end, once or twice. */
void place_leave(struct placement *p);

/* step-hear.c */
void step_hear_lane(struct step *s, const struct frame *f);
void step_hear_init(struct step *s, const struct frame *f);
/* Node is no longer there: the payload lives on with its monitor. -1 and a failure. */
int step_detach(struct step *s);
/* The same because the user left; Node is told. */
void step_leave(struct step *s);
/* The payload takes more of the input that is under way. */
void step_feed(struct step *s);

/* step-clean.c: removes the mount points again, and makes the layer of a copied root. */
void step_clean_up(struct step *s);

#endif
