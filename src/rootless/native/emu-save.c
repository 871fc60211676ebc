/*
 * The owners file of the layer that a step made: its table, by path.
 *
 * A row whose last known path still leads to its inode is written as it is.
 * Did a row lose its path (renamed, removed), or has it several, then the
 * upper layer is walked once and each special file looked up.
 * A path that a lower owners file names, and that is a special file of this
 * layer without a record, is written as 0:0: else the lower record would seem
 * to speak about it.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "emulate-internal.h"

struct record {
	struct owner owner;
	char *path;
};

struct records {
	struct record *items;
	size_t count, room;
};

static int add(struct records *records, const char *path, struct owner owner)
{
	if (records->count == records->room) {
		size_t room = records->room ? records->room * 2 : 64;
		struct record *grown = realloc(records->items, room * sizeof *grown);
		if (!grown)
			return -ENOMEM;
		records->items = grown;
		records->room = room;
	}
	char *copy = strdup(path);
	if (!copy)
		return -ENOMEM;
	records->items[records->count++] = (struct record){owner, copy};
	return 0;
}

static bool is_special(mode_t mode)
{
	return !S_ISREG(mode) && !S_ISDIR(mode);
}

/* A file of this layer, not one below and not a whiteout. */
static bool in_layer(const struct emu *emu, const char *path)
{
	struct stat st;
	return fstatat(emu->upper, path, &st, AT_SYMLINK_NOFOLLOW) == 0 && is_special(st.st_mode) &&
		!(S_ISCHR(st.st_mode) && st.st_rdev == 0);
}

static bool leads_to(struct emu *emu, const char *path, const struct emu_row *row)
{
	struct emu_inode inode;
	return emu_inode_of(emu->root, path, AT_SYMLINK_NOFOLLOW, &inode) == 0 &&
		emu_table_find(&emu->table, &inode) == row && inode.links == 1;
}

/* Records by last known path; *lost when a row does not have one. */
static int collect_known(struct emu *emu, struct records *records, bool *lost)
{
	for (size_t i = 0; i < emu->table.capacity; i++) {
		const struct emu_row *row = &emu->table.rows[i];
		if (!row->used || !row->path || !is_special(row->inode.mode))
			continue;
		if (!leads_to(emu, row->path, row)) {
			*lost = true;
			return 0;
		}
		if (in_layer(emu, row->path) && add(records, row->path, row->owner) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int collect_special(struct emu *emu, struct records *records, const char *path)
{
	struct emu_inode inode;
	if (!in_layer(emu, path) || emu_inode_of(emu->root, path, AT_SYMLINK_NOFOLLOW, &inode) < 0)
		return 0;
	const struct emu_row *row = emu_table_find(&emu->table, &inode);
	return row ? add(records, path, row->owner) : 0;
}

/* path is the buffer that holds the directory's name, length bytes of it. */
static int walk(struct emu *emu, struct records *records, char path[PATH_MAX], size_t length)
{
	int fd = openat(emu->upper, length ? path : ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		if (fd >= 0)
			close(fd);
		return -errno;
	}
	int error = 0;
	for (struct dirent *entry; !error && (entry = readdir(dir));) {
		const char *name = entry->d_name;
		size_t size = strlen(name), at = length + (length > 0);
		if (!strcmp(name, ".") || !strcmp(name, "..") || at + size >= PATH_MAX)
			continue;
		if (length)
			path[length] = '/';
		memcpy(path + at, name, size + 1);
		struct stat st;
		bool directory = entry->d_type == DT_DIR;
		if (entry->d_type == DT_UNKNOWN && fstatat(emu->upper, path, &st, AT_SYMLINK_NOFOLLOW) == 0)
			directory = S_ISDIR(st.st_mode);
		if (directory)
			error = walk(emu, records, path, at + size);
		else if (entry->d_type != DT_REG)
			error = collect_special(emu, records, path);
		path[length] = 0;
	}
	closedir(dir);
	return error;
}

static void clear(struct records *records)
{
	for (size_t i = 0; i < records->count; i++)
		free(records->items[i].path);
	records->count = 0;
}

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct record *)a)->path, ((const struct record *)b)->path);
}

/* Lower paths without a record that are specials of this layer: 0:0. */
static int add_overridden(struct emu *emu, struct records *records)
{
	size_t known = records->count;
	for (size_t i = 0; i < emu->table.lower_count; i++) {
		char *path = emu->table.lower_paths[i];
		if (i && !strcmp(path, emu->table.lower_paths[i - 1]))
			continue;
		const struct record key = {{0, 0}, path};
		if (known && bsearch(&key, records->items, known, sizeof key, compare))
			continue;
		if (in_layer(emu, path) && add(records, path, (struct owner){0, 0}) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* The new text over the old in one call, and only then the old one's rest away: whoever is killed leaves records. */
static int put_text(int fd, const char *text, size_t size)
{
	for (size_t done = 0; done < size;) {
		ssize_t n = pwrite(fd, text + done, size - done, (off_t)done);
		if (n < 0 && errno != EINTR)
			return -errno;
		done += n > 0 ? (size_t)n : 0;
	}
	return ftruncate(fd, (off_t)size) < 0 ? -errno : 0;
}

static int write_records(int fd, const struct records *records)
{
	char *text = NULL;
	size_t size = 0;
	FILE *file = open_memstream(&text, &size);
	if (!file)
		return -ENOMEM;
	for (size_t i = 0; i < records->count; i++) {
		const struct record *record = &records->items[i];
		fprintf(file, "%u %u %s%c", record->owner.uid, record->owner.gid, record->path, 0);
	}
	bool failed = ferror(file);
	failed |= fclose(file) != 0;
	int error = failed ? -ENOMEM : put_text(fd, text, size);
	free(text);
	return error;
}

int emu_table_save(struct emu *emu)
{
	struct records records = {NULL, 0, 0};
	char path[PATH_MAX] = "";
	bool lost = false;
	if (emu->owners < 0 || emu->upper < 0)
		return 0;
	int error = collect_known(emu, &records, &lost);
	if (!error && lost) {
		clear(&records);
		error = walk(emu, &records, path, 0);
	}
	if (records.count)
		qsort(records.items, records.count, sizeof *records.items, compare);
	if (!error)
		error = add_overridden(emu, &records);
	if (records.count)
		qsort(records.items, records.count, sizeof *records.items, compare);
	if (!error)
		error = write_records(emu->owners, &records);
	clear(&records);
	free(records.items);
	return error;
}
