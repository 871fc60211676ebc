/*
 * Owners of inodes that can't have user.* attributes: symlinks, fifos,
 * sockets, devices of the host, everything on a file system without them.
 *
 * Keyed by inode while the step runs, so that rename and link need no notice.
 * - An inode number of the upper layer may be reused after unlink; the time of
 *   birth tells the new file from the old one (0 on file systems without it).
 * - One of a lower layer can't, and overlayfs keeps reporting it after the
 *   copy-up, with the birth of the copy: for lower rows the birth is ignored.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "emulate-internal.h"

static size_t slot_of(const struct emu_inode *inode, size_t capacity)
{
	uint64_t h = (inode->ino ^ inode->dev << 40) * 0x9e3779b97f4a7c15ull;
	return (size_t)(h >> 20) & (capacity - 1);
}

static bool same_file(const struct emu_row *row, const struct emu_inode *inode)
{
	return row->inode.ino == inode->ino && row->inode.dev == inode->dev &&
		(row->inode.mode & S_IFMT) == (inode->mode & S_IFMT);
}

static bool same_birth(const struct emu_row *row, const struct emu_inode *inode)
{
	return row->lower || (row->inode.born_s == inode->born_s && row->inode.born_ns == inode->born_ns);
}

/* The row of this inode number, or the free one where it would go. */
static struct emu_row *probe(struct emu_row *rows, size_t capacity, const struct emu_inode *inode)
{
	size_t i = slot_of(inode, capacity);
	while (rows[i].used && !same_file(&rows[i], inode))
		i = (i + 1) & (capacity - 1);
	return &rows[i];
}

struct emu_row *emu_table_find(struct emu_table *table, const struct emu_inode *inode)
{
	if (!table->count)
		return NULL;
	struct emu_row *row = probe(table->rows, table->capacity, inode);
	return row->used && same_birth(row, inode) ? row : NULL;
}

static int rehash(struct emu_table *table, size_t capacity)
{
	struct emu_row *rows = calloc(capacity, sizeof *rows);
	if (!rows)
		return -ENOMEM;
	for (size_t i = 0; i < table->capacity; i++)
		if (table->rows[i].used)
			*probe(rows, capacity, &table->rows[i].inode) = table->rows[i];
	free(table->rows);
	table->rows = rows;
	table->capacity = capacity;
	return 0;
}

int emu_table_put(struct emu_table *table, const struct emu_inode *inode, struct owner owner, const char *path)
{
	if (2 * table->count >= table->capacity && rehash(table, table->capacity ? table->capacity * 2 : 64) < 0)
		return -ENOMEM;
	char *name = path ? strdup(path) : NULL;
	if (path && !name)
		return -ENOMEM;
	struct emu_row *row = probe(table->rows, table->capacity, inode);
	table->count += !row->used;
	bool lower = row->used && same_birth(row, inode) && row->lower;
	free(row->path);
	*row = (struct emu_row){*inode, owner, name, lower, true};
	return 0;
}

#define SWEEP_FROM 16384
#define ROWS_MAX (1u << 21)

/*
 * A file of the container's root may have been renamed, and its number is given anew once it is gone. Elsewhere (a
 * tmpfs counts on and on) the name that it had decides.
 */
static bool is_gone(struct emu *emu, const struct emu_row *row, uint64_t root_dev)
{
	struct emu_inode inode;
	if (row->lower || !row->path || row->inode.dev == root_dev)
		return false;
	return emu_inode_of(emu->root, row->path, AT_SYMLINK_NOFOLLOW, &inode) < 0 || !same_file(row, &inode);
}

static int sweep(struct emu *emu)
{
	struct emu_table *table = &emu->table;
	struct emu_inode root;
	int error = emu_inode_of(emu->root, "", AT_EMPTY_PATH, &root);
	if (error < 0)
		return error;
	for (size_t i = 0; i < table->capacity; i++) {
		struct emu_row *row = &table->rows[i];
		if (row->used && is_gone(emu, row, root.dev)) {
			free(row->path);
			*row = (struct emu_row){0};
			table->count--;
		}
	}
	/* Holes would end the search for what lies behind them. */
	return rehash(table, table->capacity);
}

int emu_table_room(struct emu *emu)
{
	struct emu_table *table = &emu->table;
	if (table->count < (table->sweep_at ? table->sweep_at : SWEEP_FROM))
		return 0;
	int error = sweep(emu);
	table->sweep_at = 2 * table->count > SWEEP_FROM ? 2 * table->count : SWEEP_FROM;
	return error < 0 ? error : table->count < ROWS_MAX ? 0 : -ENOMEM;
}

void emu_table_free(struct emu_table *table)
{
	for (size_t i = 0; i < table->capacity; i++)
		free(table->rows[i].path);
	free(table->rows);
	for (size_t i = 0; i < table->lower_count; i++)
		free(table->lower_paths[i]);
	free(table->lower_paths);
}

/* ---- the owners files of the lower layers -------------------------------------- */

static char *read_all(int fd, size_t *size)
{
	off_t end = lseek(fd, 0, SEEK_END);
	char *text = end < 0 ? NULL : malloc((size_t)end + 1);
	size_t done = 0;
	while (text && done < (size_t)end) {
		ssize_t n = pread(fd, text + done, (size_t)end - done, (off_t)done);
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	if (text)
		text[done] = 0;
	*size = done;
	return text;
}

static int compare_paths(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* "UID GID PATH": false when malformed. */
static bool parse_record(const char *record, struct owner *owner, const char **path)
{
	char *end;
	owner->uid = (uid_t)strtoul(record, &end, 10);
	if (end == record || *end != ' ')
		return false;
	const char *second = end + 1;
	owner->gid = (gid_t)strtoul(second, &end, 10);
	if (end == second || *end != ' ' || !end[1])
		return false;
	*path = end + 1;
	return true;
}

static void load_record(struct emu *emu, const char *record, size_t *room)
{
	struct emu_table *table = &emu->table;
	struct owner owner;
	struct emu_inode inode;
	const char *path;
	if (!parse_record(record, &owner, &path))
		return;
	if (table->lower_count == *room) {
		*room = *room ? *room * 2 : 64;
		char **grown = realloc(table->lower_paths, *room * sizeof *grown);
		if (!grown)
			return;
		table->lower_paths = grown;
	}
	char *copy = strdup(path);
	if (!copy)
		return;
	table->lower_paths[table->lower_count++] = copy;
	if (emu_inode_of(emu->root, path, AT_SYMLINK_NOFOLLOW, &inode) < 0 || S_ISREG(inode.mode) || S_ISDIR(inode.mode))
		return;
	/* Topmost first: what is there already is newer. */
	if (emu_table_find(table, &inode) || emu_table_put(table, &inode, owner, path) < 0)
		return;
	/* An upper layer may have been used before, and its inodes are no lower ones. */
	struct stat st;
	emu_table_find(table, &inode)->lower = emu->upper < 0 || fstatat(emu->upper, path, &st, AT_SYMLINK_NOFOLLOW) < 0;
}

void emu_table_load(struct emu *emu, const int *files, size_t count)
{
	size_t room = 0;
	for (size_t i = 0; i < count; i++) {
		size_t size;
		char *text = read_all(files[i], &size);
		for (size_t at = 0; text && at < size; at += strlen(text + at) + 1)
			load_record(emu, text + at, &room);
		free(text);
	}
	if (emu->table.lower_count)
		qsort(emu->table.lower_paths, emu->table.lower_count, sizeof(char *), compare_paths);
}
