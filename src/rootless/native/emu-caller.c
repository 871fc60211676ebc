/*
 * The caller of a notified system call: its memory and its status.
 *
 * Invariant: the caller may be killed at any instant, and its number be given
 * anew: emu_alive() comes before every write to it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "emulate-internal.h"

bool emu_alive(const struct emu_call *call)
{
	uint64_t id = call->id;
	return ioctl(call->emu->listener, (int)SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0;
}

int emu_read(const struct emu_call *call, uint64_t address, void *out, size_t size)
{
	struct iovec local = {out, size};
	struct iovec remote = {(void *)(uintptr_t)address, size};
	return process_vm_readv(call->pid, &local, 1, &remote, 1, 0) == (ssize_t)size ? 0 : -EFAULT;
}

int emu_read_string(const struct emu_call *call, uint64_t address, char *out, size_t size)
{
	/* Page by page: the next one may not exist, and the string may end before it. */
	const size_t page = 4096;
	size_t done = 0;
	while (done < size) {
		size_t chunk = page - (size_t)((address + done) & (page - 1));
		if (chunk > size - done)
			chunk = size - done;
		int error = emu_read(call, address + done, out + done, chunk);
		if (error < 0)
			return error;
		if (memchr(out + done, 0, chunk))
			return 0;
		done += chunk;
	}
	return -ENAMETOOLONG;
}

int emu_write(const struct emu_call *call, uint64_t address, const void *data, size_t size)
{
	if (!emu_alive(call))
		return -ESRCH;
	struct iovec local = {(void *)(uintptr_t)data, size};
	struct iovec remote = {(void *)(uintptr_t)address, size};
	return process_vm_writev(call->pid, &local, 1, &remote, 1, 0) == (ssize_t)size ? 0 : -EFAULT;
}

long emu_status_field(struct emu_call *call, const char *key, int base)
{
	char path[64], text[2048];
	snprintf(path, sizeof path, "%d/status", (int)emu_proc_pid(call));
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
	if (fd >= 0)
		close(fd);
	if (n <= 0)
		return -ESRCH;
	text[n] = 0;
	size_t length = strlen(key);
	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, key, length) && line[length] == ':')
			return strtol(line + length + 1, NULL, base);
	}
	return -ENOENT;
}
