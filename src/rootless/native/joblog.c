/*
 * The log of a container: one JSON object a line, as docker's json-file driver writes it. A file that is full is renamed
 * to log.json.1, that one to log.json.2, and so on; lines are whole in one of them.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "monitor.h"

/* Gathered before they are written. */
enum { BATCH = 65536, LINE_OVERHEAD = 128 };

static const char LOG_FILE[] = "log.json", LOG_PART[] = "log.part";

/* For every line: what is the same for a second is kept. */
void time_text(char out[40])
{
	static char second[24];
	static time_t known = -1;
	struct timespec now;
	struct tm tm;

	clock_gettime(CLOCK_REALTIME, &now);
	if (now.tv_sec != known) {
		gmtime_r(&now.tv_sec, &tm);
		strftime(second, sizeof second, "%Y-%m-%dT%H:%M:%S", &tm);
		known = now.tv_sec;
	}
	size_t n = strlen(second);
	memcpy(out, second, n);
	out[n] = '.';
	for (int i = 9; i > 0; i--, now.tv_nsec /= 10)
		out[n + (size_t)i] = (char)('0' + now.tv_nsec % 10);
	memcpy(out + n + 10, "Z", 2);
}

static int open_file(int dir, const char *name)
{
	return openat(dir, name, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
}

int joblog_open(struct joblog *log, int dir, const struct joblog_options *o, struct failure *f)
{
	struct stat st;

	log->fd = open_file(dir, LOG_FILE);
	if (log->fd < 0)
		return fail(f, "open log", "%s", LOG_FILE);
	log->dir = dir;
	log->limit = o->size;
	log->files = o->files ? o->files : 1;
	log->attrs = xstrndup(o->attrs, strlen(o->attrs));
	log->size = fstat(log->fd, &st) == 0 ? (uint64_t)st.st_size : 0;
	return 0;
}

void joblog_close(struct joblog *log)
{
	close_fd(&log->fd);
	free(log->line);
	free(log->attrs);
	free(log->out);
}

/* Length of the UTF-8 sequence that begins at p, 0 where none does (also overlong ones and surrogates). */
static size_t sequence(const uint8_t *p, size_t len)
{
	size_t n = p[0] < 0x80 ? 1 : p[0] >= 0xc2 && p[0] < 0xe0 ? 2 : (p[0] & 0xf0) == 0xe0 ? 3 : p[0] >= 0xf0 && p[0] < 0xf5 ? 4 : 0;

	if (n == 0 || n > len)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90) ||
		(p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return n;
}

/* Six bytes a byte at most. */
static size_t escape(char *out, const uint8_t *p, size_t len)
{
	char *start = out;

	for (size_t i = 0; i < len;) {
		if (p[i] >= 0x20 && p[i] < 0x7f && p[i] != '"' && p[i] != '\\') {
			*out++ = (char)p[i++];
			continue;
		}
		size_t n = sequence(p + i, len - i);
		if (n == 0) {
			out += sprintf(out, "\\ufffd");
			i++;
			continue;
		}
		if (p[i] == '"' || p[i] == '\\') {
			*out++ = '\\';
			*out++ = (char)p[i];
		} else if (p[i] == '\n' || p[i] == '\r' || p[i] == '\t') {
			*out++ = '\\';
			*out++ = p[i] == '\n' ? 'n' : p[i] == '\r' ? 'r' : 't';
		} else if (p[i] < 0x20 || p[i] == 0x7f)
			out += sprintf(out, "\\u%04x", p[i]);
		else {
			memcpy(out, p + i, n);
			out += n;
		}
		i += n;
	}
	return (size_t)(out - start);
}

/* On a full disk lines are lost, and nothing of them stays that would make the next one unreadable. */
static void write_batch(struct joblog *log)
{
	size_t done = 0;

	while (done < log->out_len) {
		ssize_t n = write(log->fd, log->out + done, log->out_len - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	if (done < log->out_len) {
		const char *end = memrchr(log->out, '\n', done);
		done = end ? (size_t)(end - log->out) + 1 : 0;
		(void)!ftruncate(log->fd, (off_t)(log->size + done));
	}
	log->size += done;
	log->out_len = 0;
}

/*
 * Who reads follows a file by its inode: the full one is complete before its name changes, and the new one is there
 * before the old name is gone.
 */
static void rotate(struct joblog *log)
{
	char from[32], to[32];

	write_batch(log);
	for (uint32_t n = log->files - 1; n > 0; n--) {
		snprintf(to, sizeof to, "%s.%u", LOG_FILE, n);
		snprintf(from, sizeof from, n > 1 ? "%s.%u" : "%s", LOG_FILE, n - 1);
		/* The newest is linked, so that its name never is without a file. */
		if (n > 1)
			renameat(log->dir, from, log->dir, to);
		else if ((unlinkat(log->dir, to, 0) == 0 || errno == ENOENT) && linkat(log->dir, from, log->dir, to, 0) < 0)
			/* A file system without hard links. */
			renameat(log->dir, from, log->dir, to);
	}
	unlinkat(log->dir, LOG_PART, 0);
	int next = open_file(log->dir, LOG_PART);
	/* Without a new one, the old one grows. */
	if (next < 0 || renameat(log->dir, LOG_PART, log->dir, LOG_FILE) < 0) {
		close_fd(&next);
		return;
	}
	close_fd(&log->fd);
	log->fd = next;
	log->size = 0;
}

static char *append(char *out, const char *text)
{
	size_t n = strlen(text);

	memcpy(out, text, n);
	return out + n;
}

static void put(struct joblog *log, int stream)
{
	static const char *const name[] = {"stdout", "stderr"};
	size_t most = 6 * log->line[stream].len + strlen(log->attrs) + LINE_OVERHEAD;
	char now[40];

	/* As docker: a file is full when it has reached its size, whatever the next line has. */
	if (log->limit && log->size + log->out_len >= log->limit)
		rotate(log);
	if (log->out_len + most > log->out_cap)
		log->out = xrealloc(log->out, log->out_cap = 2 * (log->out_len + most));
	char *out = log->out + log->out_len, *start = out;
	out = append(out, "{\"log\":\"");
	out += escape(out, (uint8_t *)log->line[stream].data, log->line[stream].len);
	time_text(now);
	out = append(append(append(out, "\",\"stream\":\""), name[stream]), "\",");
	out = append(append(append(append(out, log->attrs), "\"time\":\""), now), "\"}\n");
	log->out_len += (size_t)(out - start);
	log->line[stream].len = 0;
	if (log->out_len >= BATCH)
		write_batch(log);
}

/* The buffer is given back: most containers rarely say anything. */
static void settle(struct joblog *log)
{
	if (log->out_len)
		write_batch(log);
	free(log->out);
	log->out = NULL;
	log->out_cap = 0;
}

void joblog_write(struct joblog *log, int stream, const uint8_t *data, size_t len)
{
	if (!log->line)
		log->line = xalloc(2 * sizeof *log->line);
	while (len) {
		size_t room = sizeof log->line->data - log->line[stream].len;
		const uint8_t *end = memchr(data, '\n', len < room ? len : room);
		size_t n = end ? (size_t)(end - data) + 1 : len < room ? len : room;
		memcpy(log->line[stream].data + log->line[stream].len, data, n);
		log->line[stream].len += n;
		if (end || n == room)
			put(log, stream);
		data += n;
		len -= n;
	}
	settle(log);
}

void joblog_release(struct joblog *log)
{
	if (!log->line || log->line[0].len || log->line[1].len)
		return;
	free(log->line);
	log->line = NULL;
}

void joblog_flush(struct joblog *log)
{
	for (int i = 0; log->line && i < 2; i++)
		if (log->line[i].len)
			put(log, i);
	settle(log);
}
