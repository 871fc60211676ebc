/* How a monitor leaves tsbox, and how it ends: see monitor.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel.h"
#include "monitor.h"
#include "tree.h"

/* Until it is renamed. */
#define MONITOR_EXIT_PART "exit.part"

static int by_number(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* What the helper was started with is nobody's business any more: a lock of a script must not live as long as us. */
static void close_others(const struct monitor *m, const int *kept, size_t count)
{
	int *all = xalloc((count + 6 + m->client_count + 4 * m->session_count) * sizeof *all);
	size_t n = 0;

	all[n++] = 2;
	all[n++] = m->dir;
	all[n++] = m->listener;
	all[n++] = m->log.fd;
	all[n++] = m->pass;
	all[n++] = m->init->fd;
	memcpy(all + n, kept, count * sizeof *kept);
	n += count;
	for (size_t i = 0; i < m->client_count; i++)
		all[n++] = m->clients[i]->fd;
	for (const struct session *s = m->sessions; s; s = s->next) {
		int own[] = {s->in, s->out[0], s->out[1], s->master};
		memcpy(all + n, own, sizeof own);
		n += ARRAY_LEN(own);
	}
	qsort(all, n, sizeof *all, by_number);
	for (size_t i = 0; i < n; i++) {
		int next = i + 1 < n ? all[i + 1] : -1;
		if (all[i] >= 2 && (next < 0 || next > all[i] + 1))
			syscall(NR_close_range, all[i] + 1, next < 0 ? ~0u : (unsigned)next - 1, 0);
	}
	free(all);
}

void monitor_outlive(void)
{
	signal(WORKER_END, SIG_IGN);
	prctl(PR_SET_PDEATHSIG, 0);
}

int monitor_detach(struct monitor *m, const int *kept, size_t count, struct failure *f)
{
	AUTO_FD null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (setsid() < 0)
		return fail(f, "detach", "%s", "setsid");
	for (int i = 0; i < 3; i++)
		if (null < 0 || dup2(null, i) < 0)
			return fail(f, "detach", "%s", "/dev/null");
	if (chdir("/") < 0)
		return fail(f, "detach", "/");
	close_others(m, kept, count);
	/* close_range took it. */
	null = -1;
	monitor_outlive();
	return 0;
}

void monitor_drain(struct monitor *m)
{
	struct session *s = session_of(m, 0);

	if (s)
		session_drain(m, s);
	if (m->log.fd >= 0)
		joblog_flush(&m->log);
}

static void json_text(char *out, size_t room, const char *text)
{
	size_t n = 0;

	for (; *text && n + 2 < room; text++)
		if ((unsigned char)*text >= 0x20 && *text != '"' && *text != '\\')
			out[n++] = *text;
	out[n] = 0;
}

void monitor_record(struct monitor *m, uint8_t kind, uint32_t value, const struct failure *f)
{
	char now[40], stage[96], detail[600], text[900];
	AUTO_FD fd = openat(m->dir, MONITOR_EXIT_PART, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);

	time_text(now);
	json_text(stage, sizeof stage, f->stage);
	json_text(detail, sizeof detail, f->detail);
	int n = snprintf(text, sizeof text, "{\"exitCode\":%u,\"finished\":\"%s\",\"error\":\"%s%s%s\"}\n",
		f->err ? 125 : kind == EXIT_SIGNAL ? 128 + value : value, now, f->err ? stage : "", f->err ? ": " : "",
		f->err ? detail : "");
	/* Where the disk is full, a monitor that is gone without a word says that the container is dead. */
	if (fd >= 0 && write_all(fd, text, (size_t)n) == 0)
		(void)!renameat(m->dir, MONITOR_EXIT_PART, m->dir, MONITOR_EXIT);
}

void monitor_discard(const char *path, const char *trash)
{
	char *parent = xstrndup(trash, strlen(trash)), *slash = strrchr(parent, '/');
	struct failure ignored;

	if (slash && slash > parent)
		*slash = 0;
	mkdir(parent, 0700);
	if (rename(path, trash) == 0)
		/* What can't be removed lies in the store's folder for that, and the next collection tries again. */
		remove_tree(AT_FDCWD, trash, &ignored);
	rmdir(parent);
	free(parent);
}

/* The last words, for as long as somebody listens. */
static void finish_client(struct client *c)
{
	while (!c->gone && c->out_len > c->out_at) {
		struct pollfd ready = {.fd = c->fd, .events = POLLOUT};
		if (poll(&ready, 1, 10000) <= 0)
			return;
		client_flush(c);
	}
}

void monitor_close(struct monitor *m, uint8_t kind, uint32_t value)
{
	struct session *payload = session_of(m, 0);

	for (size_t i = 0; i < m->client_count; i++) {
		struct client *c = m->clients[i];
		const struct session *s = c->session;
		if (s && s != payload)
			/* It ended with the container. */
			client_exit(c, s->ended ? s->exit_kind : EXIT_SIGNAL, s->ended ? s->exit_value : 9);
		else if (s || c->waits)
			client_exit(c, kind, value);
	}
	unlinkat(m->dir, MONITOR_SOCKET, 0);
	for (size_t i = 0; i < m->client_count; i++)
		finish_client(m->clients[i]);
	while (m->client_count)
		client_free(m, m->clients[0]);
	while (m->sessions)
		session_free(m, m->sessions);
	close_fd(&m->listener);
	joblog_close(&m->log);
	close_fd(&m->dir);
	free(m);
}
