/* Frames of a lane: see frame.h. */
#define _GNU_SOURCE
#include "frame.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { HEADER = 5, BUFFER = 256 * 1024, FRAME_MAX = 64 * 1024 * 1024 };

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void put32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> 8 * i);
}

void reader_init(struct reader *r, int fd)
{
	*r = (struct reader){.fd = fd};
}

void reader_release(struct reader *r)
{
	if (r->start != r->end)
		return;
	free(r->buf);
	reader_init(r, r->fd);
}

bool reader_ready(const struct reader *r)
{
	size_t have = r->end - r->start;

	return have >= HEADER && have - HEADER >= get32(r->buf + r->start);
}

int reader_fill(struct reader *r)
{
	size_t have = r->end - r->start;
	size_t want = HEADER;
	ssize_t n;

	if (have >= HEADER) {
		want += get32(r->buf + r->start);
		if (want > FRAME_MAX)
			return errno = EMSGSIZE, -1;
	}
	if (r->start && (have == 0 || r->cap - r->start < want || r->cap - r->end < BUFFER / 4)) {
		memmove(r->buf, r->buf + r->start, have);
		r->start = 0;
		r->end = have;
	}
	if (r->cap < want || !r->buf) {
		r->cap = want > BUFFER ? want : BUFFER;
		r->buf = xrealloc(r->buf, r->cap);
	}
	do
		n = read(r->fd, r->buf + r->end, r->cap - r->end);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return (int)n;
	r->end += (size_t)n;
	return 1;
}

int reader_next(struct reader *r, struct frame *f)
{
	while (!reader_ready(r))
		if (reader_fill(r) <= 0)
			return 0;
	const uint8_t *p = r->buf + r->start;
	*f = (struct frame){.len = get32(p), .type = p[4], .data = p + HEADER};
	r->start += HEADER + f->len;
	return 1;
}

void writer_init(struct writer *w, int fd)
{
	*w = (struct writer){.fd = fd};
}

void writer_release(struct writer *w)
{
	if (w->len)
		return;
	free(w->buf);
	writer_init(w, w->fd);
}

static void flush_until(struct writer *w, size_t end)
{
	if (!end)
		return;
	if (write_all(w->fd, w->buf, end) < 0)
		_exit(1);
	memmove(w->buf, w->buf + end, w->len - end);
	w->len -= end;
}

static void room(struct writer *w, size_t want)
{
	if (w->cap - w->len >= want)
		return;
	flush_until(w, w->mark);
	w->mark = 0;
	if (w->cap - w->len >= want)
		return;
	w->cap = w->len + want > BUFFER ? w->len + want : BUFFER;
	w->buf = xrealloc(w->buf, w->cap);
}

void w_bytes(struct writer *w, const void *data, size_t len)
{
	room(w, len);
	memcpy(w->buf + w->len, data, len);
	w->len += len;
}

void w_begin(struct writer *w, uint8_t type)
{
	w->mark = w->len;
	w_u32(w, 0);
	w_u8(w, type);
}

void w_end(struct writer *w)
{
	put32(w->buf + w->mark, (uint32_t)(w->len - w->mark - HEADER));
	w->mark = w->len;
}

void w_u8(struct writer *w, uint8_t v)
{
	w_bytes(w, &v, 1);
}

void w_u32(struct writer *w, uint32_t v)
{
	uint8_t b[4];

	put32(b, v);
	w_bytes(w, b, 4);
}

void w_u64(struct writer *w, uint64_t v)
{
	w_u32(w, (uint32_t)v);
	w_u32(w, (uint32_t)(v >> 32));
}

void w_str(struct writer *w, const char *s, size_t len)
{
	w_u32(w, (uint32_t)len);
	w_bytes(w, s, len);
	w_u8(w, 0);
}

void w_flush(struct writer *w)
{
	flush_until(w, w->len);
	w->mark = 0;
}

int w_try_flush(struct writer *w)
{
	int result = write_all(w->fd, w->buf, w->len);

	w->len = w->mark = 0;
	return result;
}

void w_empty(struct writer *w, uint8_t type)
{
	w_begin(w, type);
	w_end(w);
	w_flush(w);
}

void w_failure(struct writer *w, const struct failure *f)
{
	w_begin(w, FR_ERROR);
	w_u32(w, (uint32_t)f->err);
	w_str(w, f->stage, strlen(f->stage));
	w_str(w, f->detail, strlen(f->detail));
	w_end(w);
	w_flush(w);
}

ssize_t w_data_from(struct writer *w, uint8_t type, int from, size_t want)
{
	size_t most = want < BUFFER / 2 ? want : BUFFER / 2;
	ssize_t n;

	if (w->cap - w->len < HEADER + most)
		w_flush(w);
	room(w, HEADER + most);
	w_begin(w, type);
	do
		n = read(from, w->buf + w->len, most);
	while (n < 0 && errno == EINTR);
	if (n <= 0) {
		w->len = w->mark;
		return n;
	}
	w->len += (size_t)n;
	w_end(w);
	return n;
}

struct cursor cursor_of(const struct frame *f)
{
	return (struct cursor){f->data, f->data + f->len, false};
}

static const uint8_t *take(struct cursor *c, size_t len)
{
	if (c->bad || (size_t)(c->end - c->p) < len) {
		c->bad = true;
		return NULL;
	}
	c->p += len;
	return c->p - len;
}

uint8_t c_u8(struct cursor *c)
{
	const uint8_t *p = take(c, 1);

	return p ? *p : 0;
}

uint32_t c_u32(struct cursor *c)
{
	const uint8_t *p = take(c, 4);

	return p ? get32(p) : 0;
}

uint64_t c_u64(struct cursor *c)
{
	uint64_t low = c_u32(c);

	return low | (uint64_t)c_u32(c) << 32;
}

const char *c_str(struct cursor *c)
{
	uint32_t len = c_u32(c);
	const uint8_t *p = take(c, (size_t)len + 1);

	if (p && (p[len] != 0 || memchr(p, 0, len)))
		c->bad = true;
	return p && !c->bad ? (const char *)p : "";
}

const uint8_t *c_blob(struct cursor *c, uint32_t *len)
{
	*len = c_u32(c);
	const uint8_t *p = take(c, *len);
	if (!p)
		*len = 0;
	return p;
}
