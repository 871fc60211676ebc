/*
 * Tries to type into the terminal on descriptor 1, and to make it its own first, and to find the caller's by /dev/tty:
 * prints what the kernel says to each.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

int main(void)
{
	int own = ioctl(1, TIOCSCTTY, 1) < 0 ? errno : 0;
	char key = 'x';
	int typed = ioctl(1, TIOCSTI, &key) < 0 ? errno : 0;

	int tty = open("/dev/tty", O_RDWR);
	int found = tty < 0 ? errno : 0;

	printf("steal %s\n", own ? strerror(own) : "done");
	printf("type %s\n", typed ? strerror(typed) : "done");
	printf("find %s\n", found ? strerror(found) : "done");
	return 0;
}
