/* The log of a container: one JSON object a line, as docker's json-file driver writes it. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "monitor.h"

void time_text(char out[40])
{
	struct timespec now;
	struct tm tm;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	size_t n = strftime(out, 40, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(out + n, 40 - n, ".%09ldZ", now.tv_nsec);
}

int joblog_open(struct joblog *log, int dir, struct failure *f)
{
	log->fd = openat(dir, "log.json", O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (log->fd < 0)
		return fail(f, "open log", "%s", "log.json");
	log->line = xalloc(2 * sizeof *log->line);
	return 0;
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

static void put(struct joblog *log, int stream)
{
	static const char *const name[] = {"stdout", "stderr"};
	char now[40], *out = xrealloc(NULL, 6 * log->line[stream].len + 128);
	size_t n = (size_t)sprintf(out, "{\"log\":\"");
	struct stat st;

	n += escape(out + n, (uint8_t *)log->line[stream].data, log->line[stream].len);
	time_text(now);
	n += (size_t)sprintf(out + n, "\",\"stream\":\"%s\",\"time\":\"%s\"}\n", name[stream], now);
	/* On a full disk the line is lost, and nothing of it stays that would make the next one unreadable. */
	bool known = fstat(log->fd, &st) == 0;
	if (write_all(log->fd, out, n) < 0 && known)
		(void)!ftruncate(log->fd, st.st_size);
	log->line[stream].len = 0;
	free(out);
}

void joblog_write(struct joblog *log, int stream, const uint8_t *data, size_t len)
{
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
}

void joblog_flush(struct joblog *log)
{
	for (int i = 0; i < 2; i++)
		if (log->line[i].len)
			put(log, i);
}
