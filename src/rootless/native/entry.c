/* Entries of a layer as frames. */
#define _GNU_SOURCE
#include "entry.h"

#include <string.h>

#include "owners.h"

static bool starts_with(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool xattr_belongs(const char *name, bool single)
{
	if (!strcmp(name, "security.capability"))
		return true;
	if (!starts_with(name, "user.") || starts_with(name, "user.overlay.") || starts_with(name, "user.tsbox."))
		return false;
	return !(single && !strcmp(name, XATTR_OWNER));
}

void entry_begin(struct writer *w, const struct entry *e)
{
	w_begin(w, FR_ENTRY);
	w_u8(w, e->type);
	w_u32(w, e->mode);
	w_u32(w, e->uid);
	w_u32(w, e->gid);
	w_u32(w, e->major);
	w_u32(w, e->minor);
	w_u64(w, (uint64_t)e->mtime);
	w_u64(w, e->size);
	w_str(w, e->path, strlen(e->path));
	w_str(w, e->link ? e->link : "", e->link ? strlen(e->link) : 0);
	w_u32(w, e->xattr_count);
}

bool entry_parse(const struct frame *f, struct entry *e)
{
	struct cursor c = cursor_of(f);

	*e = (struct entry){.type = c_u8(&c)};
	e->mode = c_u32(&c);
	e->uid = c_u32(&c);
	e->gid = c_u32(&c);
	e->major = c_u32(&c);
	e->minor = c_u32(&c);
	e->mtime = (int64_t)c_u64(&c);
	e->size = c_u64(&c);
	e->path = c_str(&c);
	e->link = c_str(&c);
	e->xattr_count = c_u32(&c);
	e->xattrs = c;
	return !c.bad && e->type <= E_OPAQUE;
}
