/*
 * Frames of a lane, both ways: u32 length of the payload, u8 type, payload. Integers are little-endian; a string is
 * u32 length, bytes, and a NUL that is not counted, so that C can use it where it lies.
 */
#ifndef TSBOX_FRAME_H
#define TSBOX_FRAME_H

#include "util.h"

enum frame_type {
	/* to the helper: the control lane */
	FR_START = 0x01,
	/* to the helper: requests */
	FR_WALK = 0x10,
	FR_APPLY = 0x11,
	FR_REMOVE = 0x12,
	FR_READ = 0x13,
	FR_RUN = 0x14,
	FR_PROBE = 0x15,
	/* both ways: a layer's contents */
	FR_ENTRY = 0x20,
	FR_DATA = 0x21,
	FR_END = 0x22,
	/* to the helper: a running step */
	FR_EXEC = 0x30,
	FR_STDIN = 0x31,
	FR_STDIN_EOF = 0x32,
	FR_SIGNAL = 0x33,
	FR_RESIZE = 0x34,
	FR_KILL = 0x35,
	FR_MONITOR = 0x36,
	FR_DETACH = 0x37,
	FR_TRASH = 0x38,
	FR_GO = 0x3a,
	/* to a monitor, by its control socket: see monitor.h */
	FR_ATTACH = 0x40,
	FR_SPAWN = 0x41,
	FR_WAIT = 0x42,
	FR_FILES = 0x43,
	FR_COPY = 0x44,
	FR_PAUSE = 0x45,
	/* from the helper */
	FR_OK = 0x80,
	FR_ERROR = 0x81,
	FR_FILE = 0x82,
	FR_READY = 0x83,
	FR_STARTED = 0x84,
	FR_STDOUT = 0x85,
	FR_STDERR = 0x86,
	FR_STDIN_ACK = 0x87,
	FR_EXIT = 0x88,
	FR_PROBED = 0x89,
	FR_LEFT = 0x8a,
	FR_HELD = 0x8c,
	/* only between a worker and its init */
	FR_MASTER = 0xa0,
	FR_CREATED = 0xa1,
	FR_SPAWNED = 0xa2,
	FR_SPAWN_ERROR = 0xa3,
	FR_SPAWN_EXIT = 0xa4,
	FR_FILE_OF = 0xa5,
	FR_FILES_END = 0xa6,
	FR_COPIED = 0xa7,
};

struct frame {
	uint8_t type;
	const uint8_t *data;
	uint32_t len;
};

/* Reads frames from a descriptor through a buffer. */
struct reader {
	int fd;
	uint8_t *buf;
	size_t start, end, cap;
};
void reader_init(struct reader *r, int fd);
/* Gives the buffer back where it holds nothing. It comes again when it is needed. */
void reader_release(struct reader *r);
/* A whole frame is buffered. */
bool reader_ready(const struct reader *r);
/* One read(2): 1, 0 at the end, -1 on error. */
int reader_fill(struct reader *r);
/* Waits for a frame: 1, 0 at the end or on error. It is valid until the next call. */
int reader_next(struct reader *r, struct frame *f);

/* Writes frames through a buffer. A lane whose other end is gone ends the process: nobody is left to work for. */
struct writer {
	int fd;
	uint8_t *buf;
	size_t len, cap, mark;
};
void writer_init(struct writer *w, int fd);
/* As reader_release. */
void writer_release(struct writer *w);
void w_begin(struct writer *w, uint8_t type);
void w_u8(struct writer *w, uint8_t v);
void w_u32(struct writer *w, uint32_t v);
void w_u64(struct writer *w, uint64_t v);
void w_bytes(struct writer *w, const void *data, size_t len);
void w_str(struct writer *w, const char *s, size_t len);
void w_end(struct writer *w);
void w_flush(struct writer *w);
/* As w_flush, but where the other end is gone what was written is dropped: -1. */
int w_try_flush(struct writer *w);
void w_empty(struct writer *w, uint8_t type);
void w_failure(struct writer *w, const struct failure *f);
/* Moves up to `want` bytes from a file into one frame: bytes moved, 0 at the end, -1 on error. */
ssize_t w_data_from(struct writer *w, uint8_t type, int from, size_t want);

/* Takes values out of a payload; after the first one that is not there `bad` is set and all are 0 or "". */
struct cursor {
	const uint8_t *p, *end;
	bool bad;
};
struct cursor cursor_of(const struct frame *f);
uint8_t c_u8(struct cursor *c);
uint32_t c_u32(struct cursor *c);
uint64_t c_u64(struct cursor *c);
const char *c_str(struct cursor *c);
const uint8_t *c_blob(struct cursor *c, uint32_t *len);

#endif
