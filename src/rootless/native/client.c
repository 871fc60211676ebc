/* Connections to the control socket: see monitor.h. Nothing here waits for a client. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "monitor.h"

enum { HEADER = 5 };

/*
 * True for a process that is not of the container. To see its user namespace takes rights over it (ptrace(2), "access
 * mode checking"), and those we have only over processes of our own namespace and of those below it.
 */
static bool is_outside(const struct monitor *m, int fd)
{
	struct ucred peer;
	socklen_t len = sizeof peer;
	char path[64];
	struct stat st;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0 || peer.uid != geteuid())
		return false;
	/* No number in our pid namespace, which has all of the container's. */
	if (peer.pid == 0)
		return true;
	/* Of one user namespace with the container's: but not of one pid namespace, which --userns=host never lacks. */
	if (m->host) {
		struct stat own;
		snprintf(path, sizeof path, "/proc/%d/ns/pid", peer.pid);
		return stat(path, &st) == 0 && stat("/proc/self/ns/pid", &own) == 0 && st.st_ino == own.st_ino;
	}
	snprintf(path, sizeof path, "/proc/%d/ns/user", peer.pid);
	return stat(path, &st) < 0 && (errno == EACCES || errno == EPERM);
}

struct client *client_accept(struct monitor *m)
{
	AUTO_FD fd = accept4(m->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0 || m->client_count == CLIENTS_MAX || !is_outside(m, fd))
		return NULL;
	struct client *c = xalloc(sizeof *c);
	c->fd = take_fd(&fd);
	c->id = ++m->next_id;
	reader_init(&c->in, c->fd);
	m->clients[m->client_count++] = c;
	return c;
}

static void leave(struct client *c)
{
	struct session *s = c->session;

	c->session = NULL;
	if (!s)
		return;
	if (s->input_from == c)
		s->input_from = NULL;
	if (c->gives_input && (s->id || s->input_once))
		session_input_end(s);
}

void client_free(struct monitor *m, struct client *c)
{
	leave(c);
	for (size_t i = 0; i < m->client_count; i++)
		if (m->clients[i] == c)
			m->clients[i] = m->clients[--m->client_count];
	close(c->fd);
	free(c->in.buf);
	free(c->out);
	free(c);
}

void client_flush(struct client *c)
{
	while (!c->gone && c->out_at < c->out_len) {
		ssize_t n = send(c->fd, c->out + c->out_at, c->out_len - c->out_at, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n > 0)
			c->out_at += (size_t)n;
		else if (errno == EAGAIN)
			return;
		else if (errno != EINTR)
			c->gone = true;
	}
	c->out_at = c->out_len = 0;
}

void client_send(struct client *c, uint8_t type, const void *data, size_t len)
{
	size_t want = c->out_len + HEADER + len;

	if (c->gone)
		return;
	if (want > c->out_cap) {
		c->out_cap = want + 4096;
		c->out = xrealloc(c->out, c->out_cap);
	}
	uint8_t *p = c->out + c->out_len;
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(len >> 8 * i);
	p[4] = type;
	if (len)
		memcpy(p + HEADER, data, len);
	c->out_len = want;
	client_flush(c);
}

void client_fail(struct client *c, const struct failure *f)
{
	/* A frame built by the common writer, without its flush. */
	struct writer w;

	writer_init(&w, -1);
	w_u32(&w, (uint32_t)f->err);
	w_str(&w, f->stage, strlen(f->stage));
	w_str(&w, f->detail, strlen(f->detail));
	client_send(c, FR_ERROR, w.buf, w.len);
	free(w.buf);
}

void client_exit(struct client *c, uint8_t kind, uint32_t value)
{
	uint8_t exit[5] = {kind, (uint8_t)value, (uint8_t)(value >> 8), (uint8_t)(value >> 16), (uint8_t)(value >> 24)};

	client_send(c, FR_EXIT, exit, sizeof exit);
}
