/* Waiting for long: see idle.h. */
#define _GNU_SOURCE
#include "idle.h"

#include <elf.h>
#include <errno.h>
#include <link.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>

enum { IDLE_MS = 1000, SEGMENTS_MAX = 8, STACK_DEPTH = 256 * 1024, FRAME_SIZE = 1024 };

struct range {
	uintptr_t start, len;
};

/* What is there again when it is touched. */
struct leftover {
	struct range item[SEGMENTS_MAX];
	size_t count;
	uintptr_t page;
};

/*
 * Alone on its page, and that in a mapping of its own: a fault maps what lies around it too, 64 KB of the program, but
 * nothing of another mapping.
 */
#define ALONE __attribute__((noinline, section(".text.idle"), aligned(4096)))

/* A system call without a function of the library's, which would lie elsewhere. */
static inline __attribute__((always_inline)) long call(long number, long a, long b, long c, long d)
{
#if defined(__x86_64__)
	register long r10 __asm__("r10") = d, r8 __asm__("r8") = 0;
	long result;
	__asm__ volatile("syscall"
					 : "=a"(result)
					 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
					 : "rcx", "r11", "memory");
	return result;
#elif defined(__aarch64__)
	register long x8 __asm__("x8") = number, x0 __asm__("x0") = a, x1 __asm__("x1") = b, x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d, x4 __asm__("x4") = 0;
	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : "memory");
	return x0;
#else
#error "the helper knows x86_64 and aarch64"
#endif
}

/* From the first madvise on nothing but this function and the page of its frame may be used. */
static ALONE long wait_alone(struct pollfd *set, nfds_t count, const struct leftover *l)
{
	uintptr_t low = ((uintptr_t)__builtin_frame_address(0) - FRAME_SIZE) & ~(l->page - 1);

	call(SYS_madvise, (long)(low - STACK_DEPTH), STACK_DEPTH, MADV_DONTNEED, 0);
	for (size_t i = 0; i < l->count; i++)
		call(SYS_madvise, (long)l->item[i].start, (long)l->item[i].len, MADV_DONTNEED, 0);
	return call(SYS_ppoll, (long)set, (long)count, 0, 0);
}

/* The program's own segments, without those that it has written to. */
static void find_program(struct leftover *l)
{
	const ElfW(Phdr) *header = (const ElfW(Phdr) *)getauxval(AT_PHDR); /* NOLINT: an address */
	size_t count = getauxval(AT_PHNUM);
	uintptr_t base = 0;

	l->page = getauxval(AT_PAGESZ);
	for (size_t i = 0; i < count; i++)
		if (header[i].p_type == PT_PHDR)
			base = (uintptr_t)header - header[i].p_vaddr;
	for (size_t i = 0; i < count && l->count < SEGMENTS_MAX; i++) {
		if (header[i].p_type != PT_LOAD || header[i].p_flags & PF_W)
			continue;
		uintptr_t start = (base + header[i].p_vaddr) & ~(l->page - 1);
		uintptr_t end = (base + header[i].p_vaddr + header[i].p_memsz + l->page - 1) & ~(l->page - 1);
		l->item[l->count++] = (struct range){start, end - start};
	}
}

int idle_poll(struct pollfd *set, nfds_t count, void (*release)(void *), void *context)
{
	struct leftover l = {.count = 0};
	int ready = poll(set, count, IDLE_MS);

	if (ready)
		return ready;
	release(context);
	find_program(&l);
	/* Its only effect that matters is that the page gets a mapping of its own. */
	madvise((void *)((uintptr_t)wait_alone & ~(l.page - 1)), l.page, MADV_DONTDUMP);
	long result = wait_alone(set, count, &l);
	if (result < 0) {
		errno = (int)-result;
		return -1;
	}
	return (int)result;
}
