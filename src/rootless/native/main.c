/* tsbox-helper: the mechanism behind src/rootless. Not a command for people: its protocol is private to one version. */
#include <stdio.h>
#include <string.h>

#include "agent.h"
#include "step.h"

int main(int argc, char **argv)
{
	if ((argc == 3 || argc == 4) && !strcmp(argv[1], "agent"))
		return agent_main(argv + 2);
	if (argc == 5 && !strcmp(argv[1], "inside"))
		return inside_main(argv + 2);
	if (argc >= 3 && !strcmp(argv[1], "unshare"))
		return unshare_main(argv + 2);
	if (argc == 3 && !strcmp(argv[1], "output"))
		return output_main(argv[2]);
	fprintf(stderr, "tsbox-helper: started by tsbox, not by hand\n");
	return 2;
}
