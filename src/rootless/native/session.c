/* Streams of a container's processes: output to the log and to who is attached, input from one of those. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "monitor.h"

enum { PIECE = 32768 };

struct session *session_new(struct monitor *m, uint32_t id)
{
	struct session *s = xalloc(sizeof *s);

	*s = (struct session){.id = id, .in = -1, .out = {-1, -1}, .master = -1, .next = m->sessions};
	m->sessions = s;
	m->session_count++;
	return s;
}

struct session *session_of(struct monitor *m, uint32_t id)
{
	struct session *s = m->sessions;

	while (s && s->id != id)
		s = s->next;
	return s;
}

void session_free(struct monitor *m, struct session *s)
{
	for (size_t i = 0; i < m->client_count; i++)
		if (m->clients[i]->session == s)
			m->clients[i]->session = NULL;
	for (struct session **at = &m->sessions; *at; at = &(*at)->next)
		if (*at == s) {
			*at = s->next;
			m->session_count--;
			break;
		}
	close_fd(&s->in);
	close_fd(&s->out[0]);
	close_fd(&s->out[1]);
	close_fd(&s->master);
	free(s->input);
	free(s);
}

bool session_may_read(const struct monitor *m, const struct session *s)
{
	if (s->id == 0 && m->console && !console_may_read(m->console))
		return false;
	for (size_t i = 0; i < m->client_count; i++)
		if (m->clients[i]->session == s && m->clients[i]->out_len > m->clients[i]->out_at)
			return false;
	return true;
}

static int input_fd(const struct session *s)
{
	return s->master >= 0 ? s->master : s->in;
}

void session_poll(const struct monitor *m, const struct session *s, struct pollfd set[3])
{
	bool reads = session_may_read(m, s);
	short in = s->input ? POLLOUT : 0;

	for (int i = 0; i < 3; i++)
		set[i] = (struct pollfd){.fd = -1};
	if (s->master >= 0) {
		if (reads || in)
			set[0] = (struct pollfd){.fd = s->master, .events = (short)(in | (reads ? POLLIN : 0))};
		return;
	}
	if (in)
		set[0] = (struct pollfd){.fd = s->in, .events = in};
	for (int i = 0; i < 2; i++)
		if (reads)
			set[1 + i] = (struct pollfd){.fd = s->out[i], .events = POLLIN};
}

static void acknowledge(struct session *s)
{
	free(s->input);
	s->input = NULL;
	if (s->input_from)
		client_send(s->input_from, FR_STDIN_ACK, NULL, 0);
	s->input_from = NULL;
	if (s->input_ends)
		session_input_end(s);
}

static void feed(struct session *s)
{
	ssize_t n = write(input_fd(s), s->input + s->input_at, s->input_len - s->input_at);

	if (n > 0)
		s->input_at += (size_t)n;
	else if (n < 0 && errno != EAGAIN && errno != EINTR) {
		/* It closed its end: what comes now is dropped. */
		close_fd(&s->in);
		s->input_at = s->input_len;
	}
	if (s->input_at == s->input_len)
		acknowledge(s);
}

void session_input(struct session *s, struct client *from, const uint8_t *data, size_t len)
{
	s->input = xalloc(len + 1);
	memcpy(s->input, data, len);
	s->input_len = len;
	s->input_at = input_fd(s) < 0 ? len : 0;
	s->input_from = from;
	if (s->input_at == len)
		acknowledge(s);
}

void session_input_end(struct session *s)
{
	s->input_ends = true;
	if (!s->input)
		close_fd(&s->in);
}

static void output(struct monitor *m, struct session *s, int stream, const uint8_t *data, size_t len)
{
	if (s->id == 0 && m->log.fd >= 0)
		joblog_write(&m->log, stream, data, len);
	if (s->id == 0 && m->console)
		console_output(m->console, stream, data, len);
	for (size_t i = 0; i < m->client_count; i++)
		if (m->clients[i]->session == s)
			client_send(m->clients[i], stream ? FR_STDERR : FR_STDOUT, data, len);
}

/* @return false when there is nothing more now */
static bool read_some(struct monitor *m, struct session *s, int *fd, int stream)
{
	uint8_t data[PIECE];
	ssize_t n = read(*fd, data, sizeof data);

	if (n > 0)
		output(m, s, stream, data, (size_t)n);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		close_fd(fd);
	if (s->id == 0 && s->master < 0 && m->console && console_is_broken(m->console, stream))
		close_fd(fd);
	return n > 0;
}

static void tell_end(struct monitor *m, struct session *s)
{
	for (size_t i = 0; i < m->client_count; i++)
		if (m->clients[i]->session == s)
			client_exit(m->clients[i], s->exit_kind, s->exit_value);
	session_free(m, s);
}

void session_move(struct monitor *m, struct session *s, const struct pollfd set[3])
{
	if (s->input && set[0].revents & (POLLOUT | POLLERR | POLLHUP))
		feed(s);
	if (s->master >= 0 && set[0].fd >= 0 && set[0].events & POLLIN && set[0].revents & (POLLIN | POLLHUP | POLLERR))
		read_some(m, s, &s->master, 0);
	for (int i = 0; i < 2; i++)
		if (s->out[i] >= 0 && set[1 + i].fd >= 0 && set[1 + i].revents)
			read_some(m, s, &s->out[i], i);
	session_settle(m, s);
}

void session_settle(struct monitor *m, struct session *s)
{
	if (!s->ended || s->id == 0)
		return;
	/* It is over: what its children still say comes to nobody. */
	session_drain(m, s);
	if (session_may_read(m, s))
		tell_end(m, s);
}

/* What is there now. For a further process only as much as its client takes. */
void session_drain(struct monitor *m, struct session *s)
{
	bool more = true;

	while (more && (s->id == 0 || session_may_read(m, s))) {
		more = s->master >= 0 && read_some(m, s, &s->master, 0);
		for (int i = 0; i < 2; i++)
			more |= s->out[i] >= 0 && read_some(m, s, &s->out[i], i);
	}
}

void session_resize(struct session *s, uint32_t columns, uint32_t rows)
{
	if (s->master >= 0)
		terminal_resize(s->master, columns, rows);
}
