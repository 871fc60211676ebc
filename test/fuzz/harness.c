/*
 * Fuzzes what the helper decodes: libFuzzer's entry point, one function for each kind of input.
 *
 *     u8 target; u8 n; n × 8 bytes that decide what calls result in; the rest is the target's
 *
 * `npm run fuzz` builds and runs it; seeds.ts writes the inputs that it starts with.
 */
#include "calls.h"

#include "beneath.h"
#include "emulate.h"
#include "entry.h"
#include "idmap.h"
#include "kernel.h"
#include "monitor.h"
#include "owners.h"
#include "site.h"
#include "step.h"
#include "tree.h"

/* Below a directory of our own: `root` is what entries are written to, `outside` must never change. */
static char place[64];
static int outer = -1;

struct input {
	const uint8_t *data;
	size_t size;
};

static struct frame frame_of(const struct input *in, uint8_t type)
{
	return (struct frame){.type = type, .data = in->data, .len = (uint32_t)in->size};
}

/* A RUN frame, as the init has it executed. */
static void run_plan(const struct input *in, bool single)
{
	struct frame frame = frame_of(in, FR_RUN);
	struct cursor c = cursor_of(&frame);
	struct world world = {.single = single};
	struct failure f = {0};
	struct writer ctl;
	struct site s = {.f = &f, .world = &world, .ctl = &ctl, .root = -1, .scratch = -1, .upper = -1, .owners = -1};

	s.root_path = c_str(&c);
	(void)c_str(&c);
	s.own_net = c_u8(&c);
	(void)c_u8(&c);
	s.tty = has_terminal(c_u8(&c));
	(void)c_u8(&c);
	(void)c_u8(&c);
	if (c.bad)
		return;
	writer_init(&ctl, FUZZ_LANE);
	if (plan_execute(&s, &c) < 0 && (!f.err || !memchr(f.stage, 0, sizeof f.stage)))
		abort();
}

/* An EXEC frame: every string and number of what was accepted is looked at. */
static void parse_payload(const struct input *in)
{
	struct frame frame = frame_of(in, FR_EXEC);
	struct payload p = {0};
	uint64_t sum = 0;

	if (payload_parse(&frame, &p)) {
		for (const char **list = p.argv; *list; list++)
			sum += strlen(*list);
		for (const char **list = p.envp; *list; list++)
			sum += strlen(*list);
		for (uint32_t i = 0; i < p.group_count; i++)
			sum += p.groups[i];
		for (uint32_t i = 0; i < p.limit_count; i++)
			sum += p.limits[i].soft + p.limits[i].hard;
		for (uint32_t i = 0; i < p.seccomp_len; i++)
			sum += p.seccomp[i];
		/* Used, or the compiler would leave all of it out. */
		if (sum + strlen(p.cwd) == 1)
			fuzz_exit(0);
	}
	payload_free(&p);
}

static void check_outside(void)
{
	static struct stat first;
	struct stat st;

	if (fstatat(outer, "outside/file", &st, AT_SYMLINK_NOFOLLOW) < 0)
		abort();
	if (!first.st_ino)
		first = st;
	bool same = st.st_ino == first.st_ino && st.st_nlink == 1 && st.st_size == first.st_size &&
		st.st_ctim.tv_sec == first.st_ctim.tv_sec && st.st_ctim.tv_nsec == first.st_ctim.tv_nsec;
	/* "." and "..", and nothing new below. */
	if (!same || fstatat(outer, "outside", &st, 0) < 0 || st.st_nlink != 2 || fstatat(outer, "file", &st, 0) == 0)
		abort();
}

/* ENTRY and DATA frames, really written; then read again as the layer of an upper. */
static void apply_layer(const struct input *in, bool single)
{
	struct world world = {.single = single};
	struct failure f = {0};
	struct reader lane;
	struct writer out;
	char dir[96];

	/* The root's path is the request's, which Node makes; the rest comes from the image. */
	snprintf(dir, sizeof dir, "%s/tree/root", place);
	uint8_t request[112] = {(uint8_t)strlen(dir)};
	memcpy(request + 4, dir, strlen(dir) + 1);
	struct cursor c = {request, request + 4 + strlen(dir) + 1, false};
	struct cursor again = {request, request + sizeof request, false};

	fuzz_real = true;
	if (remove_tree(outer, "tree", &f) < 0 || mkdirat(outer, "tree", 0755) < 0 || mkdirat(outer, "tree/root", 0755) < 0)
		abort();
	if (setjmp(fuzz_end) == 0) {
		reader_init(&lane, FUZZ_LANE);
		writer_init(&out, FUZZ_LANE);
		request_apply(&c, &lane, &out, &world);
		request_walk(&again, &out, &world);
	}
	check_outside();
	fuzz_real = false;
	(void)in;
}

/* A START frame: the agent's ids. */
static void start(const struct input *in)
{
	struct frame frame = frame_of(in, FR_START);
	struct cursor c = cursor_of(&frame);
	struct failure f = {0};

	enter_namespaces(&c, &f);
}

/* A conversation on the control socket, and in between what the init says: the first byte of each frame tells which. */
static void control(const struct input *in)
{
	struct failure f = {0};
	struct writer init;
	struct reader lane;
	struct frame frame;

	(void)in;
	writer_init(&init, FUZZ_LANE);
	/* Small files, so that they are changed often. */
	struct joblog_options log = {.size = 256, .files = 3, .attrs = "\"tag\":\"x\","};
	struct monitor *m = monitor_open("folder", true, &log, &init, FUZZ_LANE, &f);
	if (!m)
		return;
	struct client *client = xalloc(sizeof *client);
	client->fd = dup(0);
	client->id = ++m->next_id;
	reader_init(&client->in, FUZZ_LANE);
	m->clients[m->client_count++] = client;
	reader_init(&lane, FUZZ_LANE);
	while (m->client_count && !client->gone && reader_next(&lane, &frame)) {
		if (frame.type >= FR_MASTER)
			monitor_hear_init(m, &frame);
		else {
			/* As if the client's own reader had it. */
			size_t whole = 5 + frame.len;
			client->in.buf = xrealloc(client->in.buf, whole);
			memcpy(client->in.buf, frame.data - 5, whole);
			client->in.start = 0;
			client->in.end = client->in.cap = whole;
			client_hear(m, client);
		}
	}
	monitor_drain(m);
	monitor_record(m, EXIT_CODE, 0, &f);
	monitor_close(m, EXIT_CODE, 0);
}

/* Requests about trees, on files that are made up. */
static void request(const struct input *in, bool single)
{
	struct world world = {.single = single};
	struct reader lane;
	struct writer out;
	struct frame frame;

	(void)in;
	reader_init(&lane, FUZZ_LANE);
	writer_init(&out, FUZZ_LANE);
	while (reader_next(&lane, &frame)) {
		struct cursor c = cursor_of(&frame);
		if (frame.type == FR_WALK)
			request_walk(&c, &out, &world);
		else if (frame.type == FR_REMOVE)
			request_remove(&c, &out);
		else if (frame.type == FR_READ)
			request_read(&c, &out);
	}
}

/* What the container may have written: the attribute of an owner, and the file beside the tree. */
static void owners(const struct input *in)
{
	struct owner o;
	uint8_t encoded[OWNER_MAX];

	if (owner_decode(in->data, in->size, &o) && owner_encode(o, encoded) > sizeof encoded)
		abort();
	struct owners *table = owners_load(AT_FDCWD);
	owners_find(table, "a/b", &o);
	owners_put(table, "a/b", (struct owner){1, 2});
	if (!owners_find(table, "a/b", &o) || o.uid != 1 || o.gid != 2)
		abort();
	owners_free(table);
}

static void remove_place(void)
{
	struct failure ignored;

	fuzz_real = true;
	remove_tree(AT_FDCWD, place, &ignored);
}

static bool put(const char *path, const char *text)
{
	int fd = (open)(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	bool done = fd >= 0 && (write)(fd, text, strlen(text)) == (ssize_t)strlen(text);

	close(fd);
	return done;
}

/* The helper is root of its namespace: it may enter directories of mode 0, for one. */
static void become_root(void)
{
	char uids[32], gids[32];

	snprintf(uids, sizeof uids, "0 %u 1\n", geteuid());
	snprintf(gids, sizeof gids, "0 %u 1\n", getegid());
	if (geteuid() == 0)
		return;
	/* Under an emulator of another machine, which has threads, that can't be had. */
	if ((unshare)(CLONE_NEWUSER) < 0)
		return;
	if (!put("/proc/self/uid_map", uids) || !put("/proc/self/setgroups", "deny") || !put("/proc/self/gid_map", gids))
		abort();
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	become_root();
	snprintf(place, sizeof place, "%s/tsbox-fuzz-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	if (!mkdtemp(place) || (outer = (open)(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		abort();
	if ((mkdirat)(outer, "outside", 0755) < 0)
		abort();
	char file[96];
	snprintf(file, sizeof file, "%s/outside/file", place);
	if (!put(file, "untouched"))
		abort();
	atexit(remove_place);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	uint8_t target = data[0];
	size_t luck = (size_t)data[1] * 8;
	if (luck > size - 2)
		luck = size - 2;
	/* A copy of its own, so that one byte too far is seen. */
	struct input in = {.size = size - 2 - luck};
	uint8_t *copy = (malloc)(in.size ? in.size : 1);
	memcpy(copy, data + 2 + luck, in.size);
	in.data = copy;
	fuzz_prepare(data + 2, luck, copy, in.size);
	bool single = target & 8;
	errno = 0;

	if (setjmp(fuzz_end) == 0)
		switch (target & 7) {
		case 0:
		case 1:
			run_plan(&in, single);
			break;
		case 2:
			parse_payload(&in);
			break;
		case 3:
			apply_layer(&in, single);
			break;
		case 4:
			start(&in);
			break;
		case 5:
			control(&in);
			break;
		case 6:
			request(&in, single);
			break;
		default:
			owners(&in);
		}
	fuzz_clear();
	(free)(copy);
	return 0;
}
