/* The agent: one per invocation of tsbox. */
#ifndef TSBOX_AGENT_H
#define TSBOX_AGENT_H

/* `tsbox-helper agent LANES [PID]`: another helper that may have the same program in memory, see program.h */
int agent_main(char **argv);
/* `tsbox-helper inside LANES MODE PARENT`: the agent after it entered its namespaces. */
int inside_main(char **argv);

/* `unshare`: enters the namespaces that a START frame on descriptor 3 asks for, says READY, and executes argv. */
int unshare_main(char **argv);

#endif
