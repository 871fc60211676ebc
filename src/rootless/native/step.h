/*
 * A running step.
 *
 *   Node ═ lane ═ worker ═ ctl ═ init (pid 1 of the step) ── payload
 *                   ╚═ stdin, stdout, stderr pipes or the terminal's master ═╝
 *
 * The worker stays outside and moves bytes; the init makes the mounts, then reaps and passes signals on. The payload
 * can reach neither: the worker is in another pid namespace, the init has more capabilities than it (ptrace(2)).
 */
#ifndef TSBOX_STEP_H
#define TSBOX_STEP_H

#include <poll.h>

#include "frame.h"
#include "worker.h"

/* The last two are for containers that stay when tsbox ends: the monitor logs what comes. */
enum stdio_mode { STDIO_FRAMES = 0, STDIO_INHERIT = 1, STDIO_TTY = 2, STDIO_LOG = 3, STDIO_LOG_TTY = 4 };

static inline bool has_terminal(enum stdio_mode mode)
{
	return mode == STDIO_TTY || mode == STDIO_LOG_TTY;
}

static inline bool is_logged(enum stdio_mode mode)
{
	return mode == STDIO_LOG || mode == STDIO_LOG_TTY;
}

enum exit_kind { EXIT_CODE = 0, EXIT_SIGNAL = 1 };

/* Kinds of namespaces, as bits. */
enum { NS_IPC = 1, NS_UTS = 2, NS_PID = 4, NS_CGROUP = 8, NS_NET = 16 };

/* Where an init is put, beside the namespaces that are always its own. */
struct placement {
	/* Namespaces of the host's, and those of the process `whose`. */
	uint8_t shared, joined;
	pid_t whose;
	/* It waits until somebody has moved it into its cgroup. */
	bool held;
	/* Most processes of a user namespace of its own; 0: none is made. */
	uint64_t processes;
	/* Directory of a cgroup that goes with the step, "" without one. */
	char *cgroup;
	/* The payload is another runtime: it sees the host's files, and the root is only mounted. */
	bool foreign;
};

/* Bits of FR_READY: what is not as it should be. */
enum { READY_SHARES_PIDS = 1, READY_KEEPS_HOSTNAME = 2, READY_AMONG_OTHERS = 4 };

/* What the clone hands to the new init. Descriptors are -1 where there is none. */
struct init_args {
	const struct placement *place;
	const struct world *world;
	/* The RUN frame, and what of it the worker did not take. */
	void *frame;
	struct cursor plan;
	const char *root_path;
	bool own_net;
	enum stdio_mode stdio;
	/* The worker, where there is no pid namespace (shared-pids.h); else 0. */
	pid_t parent;
	int ctl;
	/* The payload's 0, 1, 2. */
	int std[3];
	/* Takes masters of terminals out, and streams of further processes in; -1 where there will be neither. */
	int pass;
};

/* worker's side */
void request_run(const struct frame *frame, struct reader *lane, struct writer *out, const struct world *world);
/* pid 1 of the step */
_Noreturn void init_main(const struct init_args *args);

/* payload.c */
struct payload {
	const char **argv, **envp, *cwd;
	uint32_t uid, gid, umask;
	uint32_t *groups, group_count;
	uint64_t caps;
	bool no_new_privs, emulate, own_keyring;
	/* Set by init: dies with it, which is not the end of its pid namespace. */
	bool dies_with_init;
	uint32_t emulate_flags;
	struct {
		uint32_t resource;
		uint64_t soft, hard;
	} limits[16];
	uint32_t limit_count;
	const uint8_t *seccomp;
	uint32_t seccomp_len;
	uint32_t columns, rows;
	/* What emu_admit() returned, 0 for the first process. */
	unsigned credential;
	/* Set by init: the pipe for what goes wrong, 0/1/2, and the given RLIMIT_NOFILE. */
	int status, std[3];
	/* Shared with init: says the same where a filter leaves no call to say it with. */
	struct failure *last_word;
	bool tty;
	/* No pid namespace keeps it from others. */
	bool fenced;
	const struct world *world;
};
/* False for a malformed one; pointers lead into the frame. */
bool payload_parse(const struct frame *f, struct payload *p);
void payload_free(struct payload *p);
/* What comes through the status pipe before the exec closes it. */
struct payload_status {
	/* The number of the emulation's listener; -1: a failure; -2: a note (nested emulation). */
	int listener;
	struct failure failure;
};
_Noreturn void payload_main(const struct payload *p);

/* tty.c */
struct terminal {
	int master, slave;
};
int terminal_open(struct terminal *t, struct failure *f);
/* Mounts the terminal on /dev/console, where the plan made one. */
void terminal_console(const struct terminal *t);
void terminal_resize(int master, uint32_t columns, uint32_t rows);
int fd_send(int socket, int fd);
int fd_receive(int socket);

/* `raw`: the terminal on descriptor 1 leaves ends of lines alone; `cooked`: it does not. An exit status. */
int output_main(const char *what);

/* Moves bytes between this process's 0 and 1 and a master. */
struct relay {
	int master;
	bool reads_input;
	/* Our terminal's output flags before it became transparent. */
	bool transparent;
	unsigned saved_flags;
	struct {
		uint8_t data[16384];
		size_t start, end;
	} in, out;
};
/* The payload's terminal makes ends of lines already: while it runs, ours shall not do so again. */
void relay_transparent(struct relay *r, bool on);
/* Fills three entries; fd is -1 where nothing is wanted. */
void relay_poll(const struct relay *r, struct pollfd set[3]);
void relay_move(struct relay *r, const struct pollfd set[3]);
/* After the payload's end: what the master still holds. */
void relay_drain(struct relay *r);

#endif
