/*
 * The monitor of a container: its worker, once it was told so.
 *
 *   tsbox exec, stop, attach … ═ control socket ═ monitor ═ ctl ═ init ── payload, further processes
 *                                                    ╠═ log
 *                                                    ╚═ streams of each process ═╝
 *
 * One that was told to detach has a session of its own, no descriptor of tsbox and no parent that it would die with. It
 * writes the log, and when the payload ends the file `exit` (by rename), or it removes the container. Where it is
 * killed the init dies with it, and with that the container: what lives is what `ps` says.
 *
 * The monitor of a container in the foreground is joined to the standard streams of tsbox itself (console.c) and stays
 * in its session, so that reading from the terminal is subject to job control; when tsbox ends, or its user leaves with
 * the detach keys, it detaches.
 *
 * Requests on the control socket are frames, one conversation a connection:
 *   WAIT                        → EXIT (u8 kind, u32 value)
 *   SIGNAL u32                  → OK
 *   ATTACH u8 stdin             → OK, then STDOUT and STDERR, STDIN_ACK for each STDIN, and EXIT
 *   SPAWN u8 tty, stdin, detached, and what EXEC has → STARTED or ERROR, then as ATTACH
 *   PAUSE u8 on                 → OK, and all processes stop or go on
 *   FILES paths                 → FILE (u32 index, bytes) for each that is there, OK
 *   COPY u8 what, flag, path    → as copy.c says; the connection is for nothing else then
 *   RESIZE u32 columns, rows    of the terminal that the conversation is about
 * Only a process outside of the container's user namespace is answered: a container that was given the folder of its
 * own socket gains nothing by it.
 */
#ifndef TSBOX_MONITOR_H
#define TSBOX_MONITOR_H

#include <poll.h>

#include "frame.h"
#include "step.h"

enum { CLIENTS_MAX = 256, SESSIONS_MAX = 256 };

/* Names in the container's folder. */
#define MONITOR_SOCKET "control"
#define MONITOR_EXIT "exit.json"

struct session;

/* A connection to the control socket. */
struct client {
	int fd;
	/* By which the init's answers find it. */
	uint32_t id;
	struct reader in;
	/* Frames that the socket did not take yet. */
	uint8_t *out;
	size_t out_len, out_at, out_cap;
	bool waits, gone;
	/* What it is attached to, and whether it gives it input. */
	struct session *session;
	bool gives_input;
	/* A SPAWN of its is under way, or it was served: nothing else can be asked for. */
	bool engaged;
};

/* A process with its streams: the payload or a further one. */
struct session {
	/* 0 is the payload. */
	uint32_t id;
	/* Our ends, -1 when closed. A terminal's master is `master`, and the others are not there. */
	int in, out[2], master;
	bool started, ended, input_once, input_ends;
	uint8_t exit_kind;
	uint32_t exit_value;
	/* Input that is under way, and who waits for it. */
	uint8_t *input;
	size_t input_len, input_at;
	struct client *input_from;
	struct session *next;
};

/* joblog.c: the lines of both streams as docker's json-file driver has them. */
struct joblog_options {
	/* No log is kept. */
	bool off;
	/* A file of so many bytes is full (0: never); so many files are kept. */
	uint64_t size;
	uint32_t files;
	/* What each line has beside its own: JSON members, each with a comma after it. */
	const char *attrs;
};
struct joblog {
	int fd, dir;
	uint64_t size, limit;
	uint32_t files;
	char *attrs;
	/* Lines of each stream that are not whole yet. */
	struct {
		char data[16384];
		size_t len;
	} *line;
	/* Whole lines that were not written yet. */
	char *out;
	size_t out_len, out_cap;
};
/* `dir` stays the caller's. */
int joblog_open(struct joblog *log, int dir, const struct joblog_options *o, struct failure *f);
void joblog_write(struct joblog *log, int stream, const uint8_t *data, size_t len);
/* Frees its buffers where they are empty. */
void joblog_release(struct joblog *log);
/* What has no end of line yet. */
void joblog_flush(struct joblog *log);
void joblog_close(struct joblog *log);
/* RFC 3339 with nine digits of a second. */
void time_text(char out[40]);

struct monitor {
	/* The container's folder, and the socket in it. */
	int dir, listener;
	/* The container has no user namespace of its own. */
	bool host;
	/* To the init: frames, and descriptors. */
	struct writer *init;
	int pass;
	struct session *sessions;
	size_t session_count;
	uint32_t next_id;
	struct client *clients[CLIENTS_MAX];
	size_t client_count;
	/* Not opened (-1) where none is kept. */
	struct joblog log;
	/* NULL where tsbox's own streams are not joined, or no longer. */
	struct console *console;
	/* Its user typed the keys that leave the container. */
	bool left;
	/* Our user namespace. */
	unsigned long long userns;
};

/*
 * Opens the socket in the container's folder; where `payload` is set, the payload's streams are the monitor's, and the
 * log is opened, too. NULL and a failure.
 */
struct monitor *monitor_open(const char *dir, bool payload, const struct joblog_options *log, struct writer *init, int pass,
	struct failure *f);
/* The payload's streams are the monitor's from now on. */
struct session *monitor_payload(struct monitor *m);
/* Frames of the init about further processes, and masters of terminals. False for any other. */
bool monitor_hear_init(struct monitor *m, const struct frame *f);
/* How many entries monitor_poll fills now; 0 without a monitor. */
size_t monitor_poll_count(const struct monitor *m);
void monitor_poll(struct monitor *m, struct pollfd *set);
void monitor_move(struct monitor *m, const struct pollfd *set);
/* From now on the end of the helper is not the monitor's: it looks after that itself. */
void monitor_outlive(void);
/* Frees buffers that hold nothing. */
void monitor_release(struct monitor *m);
/* Leaves session, parent and streams of tsbox; only the monitor's own descriptors and `kept` stay open. */
int monitor_detach(struct monitor *m, const int *kept, size_t count, struct failure *f);
/* The payload is over: takes what its streams still hold. */
void monitor_drain(struct monitor *m);
/* Writes the file `exit`. */
void monitor_record(struct monitor *m, uint8_t kind, uint32_t value, const struct failure *f);
/* Renames the container's folder to `trash` and removes it. */
void monitor_discard(const char *path, const char *trash);
/* Tells those that wait, closes everything and frees `m`. */
void monitor_close(struct monitor *m, uint8_t kind, uint32_t value);

/* console.c: the standard streams of tsbox itself */
struct console_options {
	/* Which of them are joined. */
	bool in, out[2];
	/* The payload has a terminal. */
	bool tty;
	/* Typed in this order they leave the container; only with a terminal. */
	const uint8_t *keys;
	uint32_t key_count;
};
struct console *console_open(const struct console_options *o);
/* The payload said something. */
void console_output(struct console *c, int stream, const uint8_t *data, size_t len);
/* It was a pipe, and its reader is gone: the payload shall hear of that as if the pipe were its own. */
bool console_is_broken(const struct console *c, int stream);
/* False while something was not taken. */
bool console_may_read(const struct console *c);
/* Fills three entries. `s` is the payload. */
void console_poll(const struct console *c, const struct session *s, struct pollfd set[3]);
/* False once the keys were typed. */
bool console_move(struct console *c, struct session *s, const struct pollfd set[3]);
/* Writes what was not taken yet, as long as tsbox lives: its lane closes when it ends. Frees `c`. */
void console_finish(struct console *c, int lane);
/* Gives the terminal back as it was. */
void console_free(struct console *c);

/* client.c, client-request.c */
struct client *client_accept(struct monitor *m);
void client_free(struct monitor *m, struct client *c);
void client_send(struct client *c, uint8_t type, const void *data, size_t len);
void client_fail(struct client *c, const struct failure *f);
void client_exit(struct client *c, uint8_t kind, uint32_t value);
void client_flush(struct client *c);
/* Reads what came and does it. */
void client_hear(struct monitor *m, struct client *c);

/* session.c */
struct session *session_new(struct monitor *m, uint32_t id);
struct session *session_of(struct monitor *m, uint32_t id);
void session_free(struct monitor *m, struct session *s);
/* False while somebody who gets the output has not taken what came before. */
bool session_may_read(const struct monitor *m, const struct session *s);
/* Fills three entries. */
void session_poll(const struct monitor *m, const struct session *s, struct pollfd set[3]);
void session_move(struct monitor *m, struct session *s, const struct pollfd set[3]);
/* Of a further process that has ended: tells its client once that has all of the output, and frees it. */
void session_settle(struct monitor *m, struct session *s);
void session_drain(struct monitor *m, struct session *s);
/* Only where no input is under way. */
void session_input(struct session *s, struct client *from, const uint8_t *data, size_t len);
void session_input_end(struct session *s);
void session_resize(struct session *s, uint32_t columns, uint32_t rows);

#endif
