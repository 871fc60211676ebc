/* Results of calls for the fuzzed helper: see calls.h. */
#define FUZZ_CALLS_THEMSELVES
#include "calls.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__clang__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, size) ((void)(p), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(p, size) ((void)(p), (void)(size))
#endif

#include "kernel.h"

bool fuzz_real;
jmp_buf fuzz_end;

static struct {
	const uint8_t *luck, *stream;
	size_t luck_size, luck_at, stream_size, stream_at;
	/* The first descriptor that is the helper's. */
	int first;
} now;

/* ---- memory: freed at the end of a run, whatever way that ends -------------- */

/* Before each block, and out of bounds for the helper. */
struct head {
	size_t index, size;
};
static struct {
	struct head **item;
	size_t count, cap;
} live;

static void place(struct head *h, size_t index)
{
	ASAN_UNPOISON_MEMORY_REGION(h, sizeof *h);
	h->index = index;
	live.item[index] = h;
	ASAN_POISON_MEMORY_REGION(h, sizeof *h);
}

void fuzz_free(void *p)
{
	if (!p)
		return;
	struct head *h = (struct head *)p - 1;
	ASAN_UNPOISON_MEMORY_REGION(h, sizeof *h);
	struct head *last = live.item[--live.count];
	if (last != h)
		place(last, h->index);
	free(h);
}

void *fuzz_realloc(void *p, size_t size)
{
	struct head *h = malloc(sizeof *h + size);

	if (!h)
		return NULL;
	if (live.count == live.cap)
		live.item = realloc(live.item, (live.cap = live.cap ? 2 * live.cap : 64) * sizeof(struct head *));
	h->size = size;
	place(h, live.count++);
	if (p) {
		struct head *old = (struct head *)p - 1;
		ASAN_UNPOISON_MEMORY_REGION(old, sizeof *old);
		memcpy(h + 1, p, old->size < size ? old->size : size);
		fuzz_free(p);
	}
	return h + 1;
}

_Noreturn void fuzz_exit(int status)
{
	(void)status;
	longjmp(fuzz_end, 1);
}

void fuzz_prepare(const uint8_t *luck, size_t luck_size, const uint8_t *stream, size_t stream_size)
{
	now.luck = luck;
	now.luck_size = luck_size;
	now.stream = stream;
	now.stream_size = stream_size;
	now.luck_at = now.stream_at = 0;
	now.first = dup(0);
	close(now.first);
}

void fuzz_clear(void)
{
	while (live.count)
		fuzz_free(live.item[live.count - 1] + 1);
	syscall(SYS_close_range, now.first, ~0u, 0);
}

/* ---- results ------------------------------------------------------------------ */

/* 255, "all is well", where the input has no more to say. */
static uint8_t luck(void)
{
	return now.luck_at < now.luck_size ? now.luck[now.luck_at++] : 255;
}

int fuzz_result(const char *call)
{
	static const int errors[] = {ENOENT, EPERM, EACCES, EEXIST, EINVAL, ENOTDIR, EISDIR, ELOOP, ENOTSUP, ENOSYS, EAGAIN,
		EINTR, EBUSY, ENOTEMPTY, EROFS, EPIPE};
	uint8_t byte = luck();

	(void)call;
	if (byte >= 32)
		return 0;
	errno = errors[byte % 16];
	return -1;
}

int fuzz_refuse(const char *call)
{
	(void)call;
	errno = ENOSYS;
	return -1;
}

int fuzz_fd(const char *call)
{
	return fuzz_result(call) < 0 ? -1 : open("/dev/null", O_RDWR | O_CLOEXEC);
}

int fuzz_dup(int fd)
{
	if (fuzz_real)
		return dup(fd);
	return fd < 0 ? (errno = EBADF, -1) : fuzz_fd("dup");
}

int fuzz_pipe(int ends[2])
{
	int a = fuzz_fd("pipe2"), b = a < 0 ? -1 : fuzz_fd("pipe2");

	if (b < 0) {
		if (a >= 0)
			close(a);
		return -1;
	}
	ends[0] = a;
	ends[1] = b;
	return 0;
}

int fuzz_openat(int dir, const char *path, int flags, ...)
{
	va_list args;

	va_start(args, flags);
	mode_t mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
	va_end(args);
	/* Every string of a path must be one. */
	(void)strlen(path);
	return fuzz_real ? openat(dir, path, flags, mode) : fuzz_fd("openat");
}

int fuzz_open(const char *path, int flags, ...)
{
	va_list args;

	va_start(args, flags);
	mode_t mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
	va_end(args);
	(void)strlen(path);
	return fuzz_real ? open(path, flags, mode) : fuzz_fd("open");
}

long fuzz_syscall(long number, ...)
{
	long a[6];
	va_list args;

	va_start(args, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(args, long);
	va_end(args);
	switch (number) {
	case SYS_openat2:
		(void)strlen((const char *)a[1]);
		/* The descriptors may have garbage above their 32 bits. */
		return fuzz_real ? syscall(number, (int)a[0], a[1], a[2], a[3]) : fuzz_fd("openat2");
	case NR_open_tree:
	case NR_fsopen:
	case NR_fsmount:
		return fuzz_fd("mount");
	default:
		return fuzz_result("syscall");
	}
}

/* Up to `size` bytes that the input has for files and attributes. */
static ssize_t invent(void *out, size_t size)
{
	size_t n = luck(), left = now.luck_size - now.luck_at;

	if (n == 255)
		return 0;
	n = n < left ? n : left;
	n = n < size ? n : size;
	if (n)
		memcpy(out, now.luck + now.luck_at, n);
	now.luck_at += n;
	return (ssize_t)n;
}

ssize_t fuzz_read(int fd, void *out, size_t size)
{
	if (fd == FUZZ_LANE) {
		size_t left = now.stream_size - now.stream_at;
		/* Frames come in pieces. */
		size_t piece = 1 + (size_t)luck() * luck();
		size_t n = size < left ? size : left;
		n = n < piece ? n : piece;
		memcpy(out, now.stream + now.stream_at, n);
		now.stream_at += n;
		return (ssize_t)n;
	}
	if (fuzz_real)
		return read(fd, out, size);
	return fuzz_result("read") < 0 ? -1 : invent(out, size);
}

ssize_t fuzz_write(int fd, const void *data, size_t size)
{
	/* All of it must be there. */
	const volatile uint8_t *p = data;
	for (size_t i = 0; i < size; i += 64)
		(void)p[i];
	if (size)
		(void)p[size - 1];
	if (fuzz_real && fd != FUZZ_LANE)
		return write(fd, data, size);
	uint8_t byte = luck();
	return byte < 8 && fd != FUZZ_LANE ? fuzz_refuse("write") : byte < 64 && size > 1 ? (ssize_t)(size / 2) : (ssize_t)size;
}

int fuzz_fstat(int fd, struct stat *st)
{
	static const mode_t kinds[] = {S_IFDIR, S_IFREG, S_IFLNK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFREG, S_IFDIR};

	if (fuzz_real)
		return fstat(fd, st);
	if (fuzz_result("stat") < 0)
		return -1;
	uint8_t byte = luck();
	*st = (struct stat){.st_mode = kinds[byte & 7] | 0755, .st_dev = byte >> 5 & 1, .st_size = byte >> 3};
	return 0;
}

int fuzz_stat(int dir, const char *path, struct stat *st, int flags)
{
	(void)strlen(path);
	return fuzz_real ? fstatat(dir, path, st, flags) : fuzz_fstat(-1, st);
}

ssize_t fuzz_readlinkat(int dir, const char *path, char *out, size_t size)
{
	if (fuzz_real)
		return readlinkat(dir, path, out, size);
	return fuzz_result("readlink") < 0 ? -1 : invent(out, size);
}

/* Attributes are made up even of real files: tmpfs may know none. */
ssize_t fuzz_fgetxattr(int fd, const char *name, void *out, size_t size)
{
	(void)fd;
	(void)strlen(name);
	return fuzz_result("fgetxattr") < 0 ? -1 : invent(out, size);
}

/* Names, each with its end, as the kernel has them. */
ssize_t fuzz_flistxattr(int fd, char *out, size_t size)
{
	(void)fd;
	ssize_t n = fuzz_result("flistxattr") < 0 ? -1 : invent(out, size);

	if (n > 0)
		out[n - 1] = 0;
	return n;
}

DIR *fuzz_fdopendir(int fd)
{
	if (fuzz_real)
		return fdopendir(fd);
	errno = ENOTDIR;
	return NULL;
}

ssize_t fuzz_getline(char **line, size_t *size)
{
	char text[256];
	ssize_t n = invent(text, sizeof text - 1);

	if (n <= 0)
		return -1;
	text[n] = 0;
	if (*size < (size_t)n + 1)
		*line = fuzz_realloc(*line, *size = (size_t)n + 1);
	memcpy(*line, text, (size_t)n + 1);
	return n;
}

/* PATH_MAX bytes, as the library's. */
char *fuzz_realpath(const char *path, char *out)
{
	size_t len = strlen(path);

	if (fuzz_result("realpath") < 0 || len >= 4096)
		return NULL;
	if (!out)
		out = fuzz_realloc(NULL, 4096);
	return memcpy(out, path, len + 1);
}
