/* The operations of a plan: each takes its operands out of the cursor. 0, or -1 and a failure. */
#ifndef TSBOX_PLAN_OPS_H
#define TSBOX_PLAN_OPS_H

#include "site.h"

typedef int plan_op(struct site *s, struct cursor *c);

/* plan-mounts.c */
plan_op op_root, op_tree, op_bind, op_tmpfs, op_proc, op_sys, op_dev, op_cgroup, op_mask, op_readonly;
/* plan-files.c */
plan_op op_file, op_symlink, op_mkdir, op_write, op_hostname, op_loopback, op_oom_score, op_affinity;

#endif
