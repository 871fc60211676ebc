/* The agent: one per invocation of tsbox. */
#ifndef TSBOX_AGENT_H
#define TSBOX_AGENT_H

/* `tsbox-helper agent LANES` */
int agent_main(char **argv);
/* `tsbox-helper inside LANES MODE PARENT`: the agent after it entered its namespaces. */
int inside_main(char **argv);

#endif
