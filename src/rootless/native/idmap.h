/* Ids of the agent's user namespace. */
#ifndef TSBOX_IDMAP_H
#define TSBOX_IDMAP_H

#include "frame.h"

enum map_method {
	MAP_SINGLE = 0,
	MAP_NEWIDMAP = 1,
	MAP_DIRECT = 2,
	MAP_HOST = 3,
	MAP_JOIN = 4,
	MAP_JOIN_SINGLE = 5,
};

static inline bool map_is_single(enum map_method method)
{
	return method == MAP_SINGLE || method == MAP_JOIN_SINGLE;
}

/*
 * Enters a new user namespace with the maps that the START frame asks for, as its root, and a new mount namespace. For
 * MAP_HOST, which only root of the machine can have, the user namespace stays.
 */
int enter_namespaces(struct cursor *start, struct failure *f);

#endif
