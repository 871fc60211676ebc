/*
 * The standard streams of tsbox, joined to the payload's by the monitor itself: no byte goes through Node. They are
 * shared with the shell that started tsbox and stay blocking; where they are pipes or terminals they are opened anew, so
 * that one that takes nothing does not stop the monitor.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "monitor.h"

/* ROOM: PIPE_BUF, what a blocking pipe takes at once when it is ready. */
enum { PIECE = 16384, ROOM = 4096, KEYS_MAX = 64 };

/* One of tsbox's streams. */
struct stream {
	/* -1 where it is not joined, or nobody is left at its other end (`broken`: there was a pipe's reader). */
	int fd;
	bool broken;
	/* A description of our own, which does not block. */
	bool own;
	/* What it has not taken. */
	uint8_t *data;
	size_t at, len, cap;
};

struct console {
	struct stream in, out[2];
	bool tty;
	uint8_t keys[KEYS_MAX];
	size_t key_count, typed;
	/* The terminal's output flags before it became transparent. */
	bool transparent;
	tcflag_t saved_flags;
};

static struct stream join(int fd, int flags)
{
	struct stream s = {.fd = fd};
	struct stat st;
	char path[32];

	if (fstat(fd, &st) < 0 || !(S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode)))
		return s;
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	int own = open(path, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (own >= 0)
		s = (struct stream){.fd = own, .own = true};
	return s;
}

static void part(struct stream *s)
{
	if (s->own && s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	free(s->data);
	s->data = NULL;
	s->at = s->len = s->cap = 0;
}

/* The payload's terminal makes ends of lines already: while it runs, ours shall not do so again. */
static void set_transparent(struct console *c, bool on)
{
	struct termios t;

	if (on == c->transparent || tcgetattr(1, &t) < 0)
		return;
	/* Changing it from the background would stop us (termios(3)). */
	signal(SIGTTOU, SIG_IGN);
	if (on)
		c->saved_flags = t.c_oflag;
	t.c_oflag = on ? t.c_oflag & ~(tcflag_t)OPOST : c->saved_flags;
	c->transparent = tcsetattr(1, on ? TCSANOW : TCSADRAIN, &t) == 0 && on;
	signal(SIGTTOU, SIG_DFL);
}

struct console *console_open(const struct console_options *o)
{
	struct console *c = xalloc(sizeof *c);

	*c = (struct console){.in.fd = -1, .out = {{.fd = -1}, {.fd = -1}}, .tty = o->tty};
	if (o->in)
		c->in = join(0, O_RDONLY);
	for (int i = 0; i < 2; i++)
		if (o->out[i])
			c->out[i] = join(1 + i, O_WRONLY);
	if (o->tty && o->key_count <= KEYS_MAX) {
		memcpy(c->keys, o->keys, o->key_count);
		c->key_count = o->key_count;
	}
	if (o->tty && o->out[0])
		set_transparent(c, true);
	return c;
}

static void write_some(struct stream *s)
{
	size_t len = s->len - s->at;
	ssize_t n = write(s->fd, s->data + s->at, s->own || len < ROOM ? len : ROOM);

	if (n > 0)
		s->at += (size_t)n;
	else if (n < 0 && errno != EAGAIN && errno != EINTR)
		/* Nobody looks any more; the payload shall not hang on that. */
		s->broken = errno == EPIPE, part(s);
	if (s->at == s->len)
		s->at = s->len = 0;
}

void console_output(struct console *c, int stream, const uint8_t *data, size_t len)
{
	struct stream *s = &c->out[stream];

	if (s->fd < 0)
		return;
	if (s->len + len > s->cap)
		s->data = xrealloc(s->data, s->cap = s->len + len);
	memcpy(s->data + s->len, data, len);
	s->len += len;
	/* One that would block is written to when it is ready. */
	if (s->own)
		write_some(s);
}

bool console_is_broken(const struct console *c, int stream)
{
	return !c->tty && c->out[stream].broken;
}

bool console_may_read(const struct console *c)
{
	return !c->out[0].len && !c->out[1].len;
}

void console_poll(const struct console *c, const struct session *s, struct pollfd set[3])
{
	set[0] = (struct pollfd){.fd = s->input ? -1 : c->in.fd, .events = POLLIN};
	for (int i = 0; i < 2; i++)
		set[1 + i] = (struct pollfd){.fd = c->out[i].len ? c->out[i].fd : -1, .events = POLLOUT};
}

/*
 * Takes the keys that leave out of what was typed: what may be their beginning is held back until it is known.
 * @return how much is for the payload; *left says that they were typed
 */
static size_t sift(struct console *c, const uint8_t *data, size_t len, uint8_t *out, bool *left)
{
	size_t n = 0;

	for (size_t i = 0; i < len && !*left; i++) {
		if (c->key_count && data[i] == c->keys[c->typed]) {
			*left = ++c->typed == c->key_count;
			continue;
		}
		memcpy(out + n, c->keys, c->typed);
		n += c->typed;
		c->typed = c->key_count && data[i] == c->keys[0] ? 1 : 0;
		if (!c->typed)
			out[n++] = data[i];
	}
	return n;
}

/* False once the keys were typed. */
static bool read_some(struct console *c, struct session *s)
{
	uint8_t data[PIECE], out[PIECE + KEYS_MAX];
	ssize_t n = read(c->in.fd, data, sizeof data);
	bool left = false;

	if (n > 0) {
		size_t rest = sift(c, data, (size_t)n, out, &left);
		if (rest)
			session_input(s, NULL, out, rest);
	} else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
		part(&c->in);
		if (s->input_once)
			session_input_end(s);
	}
	return !left;
}

bool console_move(struct console *c, struct session *s, const struct pollfd set[3])
{
	for (int i = 0; i < 2; i++)
		if (set[1 + i].fd >= 0 && set[1 + i].revents) {
			write_some(&c->out[i]);
			if (console_is_broken(c, i))
				close_fd(&s->out[i]);
		}
	return set[0].fd < 0 || !set[0].revents || read_some(c, s);
}

void console_finish(struct console *c, int lane)
{
	while (!console_may_read(c)) {
		struct pollfd set[3] = {{.fd = lane, .events = POLLIN}};
		for (int i = 0; i < 2; i++)
			set[1 + i] = (struct pollfd){.fd = c->out[i].len ? c->out[i].fd : -1, .events = POLLOUT};
		if (poll(set, 3, -1) < 0 && errno != EINTR)
			break;
		/* Whatever else Node says comes too late. */
		if (set[0].revents & (POLLHUP | POLLERR))
			break;
		for (int i = 0; i < 2; i++)
			if (set[1 + i].fd >= 0 && set[1 + i].revents)
				write_some(&c->out[i]);
	}
	console_free(c);
}

void console_free(struct console *c)
{
	part(&c->in);
	part(&c->out[0]);
	part(&c->out[1]);
	set_transparent(c, false);
	free(c);
}
