/* Owners that one mapped id can't express: see owners.h. */
#define _GNU_SOURCE
#include "owners.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

static size_t put_varint(uint8_t *out, uint32_t v)
{
	size_t n = 0;

	for (; v > 127; v >>= 7)
		out[n++] = (uint8_t)(v | 128);
	out[n++] = (uint8_t)v;
	return n;
}

size_t owner_encode(struct owner o, uint8_t out[OWNER_MAX])
{
	size_t n = 0;

	/* proto3 leaves out zeros. */
	if (o.uid) {
		out[n++] = 1 << 3;
		n += put_varint(out + n, o.uid);
	}
	if (o.gid) {
		out[n++] = 2 << 3;
		n += put_varint(out + n, o.gid);
	}
	return n;
}

bool owner_decode(const uint8_t *data, size_t len, struct owner *o)
{
	*o = (struct owner){0, 0};
	for (size_t i = 0; i < len;) {
		uint8_t tag = data[i++];
		uint64_t v = 0;
		for (unsigned shift = 0;; shift += 7) {
			if (i >= len || shift > 63)
				return false;
			v |= (uint64_t)(data[i] & 127) << shift;
			if (!(data[i++] & 128))
				break;
		}
		if (tag == 1 << 3)
			o->uid = (uint32_t)v;
		else if (tag == 2 << 3)
			o->gid = (uint32_t)v;
		else
			return false;
	}
	return true;
}

int owner_set(int fd, struct owner o)
{
	uint8_t value[OWNER_MAX];
	size_t len = owner_encode(o, value);

	if (len)
		return fsetxattr(fd, XATTR_OWNER, value, len, 0);
	return fremovexattr(fd, XATTR_OWNER) < 0 && errno != ENODATA ? -1 : 0;
}

struct record {
	char *path;
	struct owner owner;
	/* Among records of one path the newest counts. */
	size_t order;
};

struct owners {
	struct record *records;
	size_t count, cap;
	bool sorted;
};

static int by_path(const void *a, const void *b)
{
	const struct record *x = a, *y = b;
	int order = strcmp(x->path, y->path);

	return order ? order : x->order < y->order ? -1 : x->order > y->order;
}

static char *slurp(int fd, size_t *len)
{
	size_t cap = 64 * 1024;
	char *text = xrealloc(NULL, cap);
	ssize_t n;

	*len = 0;
	while ((n = read(fd, text + *len, cap - *len - 1)) > 0) {
		*len += (size_t)n;
		if (cap - *len < 4096)
			text = xrealloc(text, cap *= 2);
	}
	text[*len] = 0;
	return text;
}

void owners_put(struct owners *t, const char *path, struct owner o)
{
	if (t->count == t->cap)
		t->records = xrealloc(t->records, (t->cap = t->cap ? t->cap * 2 : 64) * sizeof *t->records);
	t->records[t->count] = (struct record){xstrndup(path, strlen(path)), o, t->count};
	t->count++;
	t->sorted = false;
}

/* Sorts, and keeps the newest record of each path. */
static void settle(struct owners *t)
{
	size_t kept = 0;

	if (t->sorted || !t->count)
		return;
	qsort(t->records, t->count, sizeof *t->records, by_path);
	for (size_t i = 0; i < t->count; i++) {
		bool last = i + 1 == t->count || strcmp(t->records[i].path, t->records[i + 1].path) != 0;
		if (last)
			t->records[kept++] = t->records[i];
		else
			free(t->records[i].path);
	}
	t->count = kept;
	for (size_t i = 0; i < kept; i++)
		t->records[i].order = i;
	t->sorted = true;
}

struct owners *owners_load(int dirfd)
{
	struct owners *t = xalloc(sizeof *t);
	AUTO_FD fd = openat(dirfd, OWNERS_FILE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	size_t len;

	if (fd < 0)
		return t;
	char *text = slurp(fd, &len);
	for (char *p = text; p < text + len; p += strlen(p) + 1) {
		struct owner o;
		int at = 0;
		if (sscanf(p, "%u %u%n", &o.uid, &o.gid, &at) == 2 && p[at] == ' ')
			owners_put(t, p + at + 1, o);
	}
	free(text);
	return t;
}

bool owners_find(struct owners *t, const char *path, struct owner *o)
{
	size_t low = 0, high = t->count;

	settle(t);
	high = t->count;
	while (low < high) {
		size_t middle = (low + high) / 2;
		int order = strcmp(t->records[middle].path, path);
		if (order == 0) {
			*o = t->records[middle].owner;
			return true;
		}
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

static int write_records(const struct owners *t, int fd)
{
	FILE *out = fdopen(dup(fd), "w");

	if (!out)
		return -1;
	for (size_t i = 0; i < t->count; i++) {
		const struct record *r = &t->records[i];
		if (r->owner.uid || r->owner.gid) {
			fprintf(out, "%u %u %s", r->owner.uid, r->owner.gid, r->path);
			fputc(0, out);
		}
	}
	int failed = ferror(out);
	return fclose(out) || failed ? -1 : 0;
}

int owners_save(struct owners *t, int dirfd)
{
	static const char temporary[] = OWNERS_FILE ".new";
	struct stat st;

	settle(t);
	AUTO_FD fd = openat(dirfd, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0 || write_records(t, fd) < 0 || fstat(fd, &st) < 0)
		return -1;
	if (st.st_size)
		return renameat(dirfd, temporary, dirfd, OWNERS_FILE);
	unlinkat(dirfd, temporary, 0);
	return unlinkat(dirfd, OWNERS_FILE, 0) < 0 && errno != ENOENT ? -1 : 0;
}

bool owners_restrict(struct owners *t, int dir)
{
	size_t kept = 0, count = t->count;
	struct stat st;

	for (size_t i = 0; i < count; i++)
		if (fstatat(dir, t->records[i].path, &st, AT_SYMLINK_NOFOLLOW) == 0)
			t->records[kept++] = t->records[i];
		else
			free(t->records[i].path);
	t->count = kept;
	return kept < count;
}

void owners_free(struct owners *t)
{
	for (size_t i = 0; i < t->count; i++)
		free(t->records[i].path);
	free(t->records);
	free(t);
}
