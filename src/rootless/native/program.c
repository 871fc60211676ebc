/* The helper's program in memory: see program.h. */
#define _GNU_SOURCE
#include "program.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util.h"

enum { SEALS = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE };

/* Both have `size` bytes; the second one can't change any more. */
static bool same_content(int self, int other, size_t size)
{
	void *a = mmap(NULL, size, PROT_READ, MAP_PRIVATE, self, 0);
	void *b = mmap(NULL, size, PROT_READ, MAP_PRIVATE, other, 0);
	bool same = a != MAP_FAILED && b != MAP_FAILED && memcmp(a, b, size) == 0;

	if (a != MAP_FAILED)
		munmap(a, size);
	if (b != MAP_FAILED)
		munmap(b, size);
	return same;
}

/*
 * A number can come to mean another process, which may be a container's and have made a file of the same name: the
 * seals and the bytes are what counts, in this order.
 */
static int shared_copy(int self, size_t size, pid_t living)
{
	char path[32];
	struct stat st;

	snprintf(path, sizeof path, "/proc/%d/exe", living);
	AUTO_FD other = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (other < 0 || fstat(other, &st) < 0 || !S_ISREG(st.st_mode) || (size_t)st.st_size != size)
		return -1;
	int seals = fcntl(other, F_GET_SEALS);
	if (seals < 0 || (seals & SEALS) != SEALS || !same_content(self, other, size))
		return -1;
	return take_fd(&other);
}

static int new_copy(int self, size_t size)
{
	AUTO_FD copy = memfd_create("tsbox-helper", MFD_CLOEXEC | MFD_ALLOW_SEALING | 0x10u /* MFD_EXEC, Linux 6.3 */);

	if (copy < 0)
		copy = memfd_create("tsbox-helper", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (copy < 0)
		return -1;
	while (size > 0) {
		ssize_t n = sendfile(copy, self, NULL, size);
		if (n <= 0)
			return -1;
		size -= (size_t)n;
	}
	if (fcntl(copy, F_ADD_SEALS, SEALS) < 0)
		return -1;
	return take_fd(&copy);
}

int program_sealed(pid_t living)
{
	AUTO_FD self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (self < 0 || fstat(self, &st) < 0)
		return -1;
	int shared = living > 0 ? shared_copy(self, (size_t)st.st_size, living) : -1;
	return shared >= 0 ? shared : new_copy(self, (size_t)st.st_size);
}
