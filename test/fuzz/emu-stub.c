/* The emulation is no decoder: a payload that would ask for it gets none. */
#include "emulate.h"

#include <errno.h>

int emu_install_filter(unsigned flags, unsigned credential, bool *faked)
{
	(void)flags;
	(void)credential;
	*faked = false;
	return -ENOSYS;
}
