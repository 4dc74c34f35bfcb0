// SPDX-License-Identifier: GPL-2.0-or-later
/* gate.c - placeholder until the adapter is merged (branch only). */
#include "arbiter/gate.h"
#include <errno.h>
#include <stdio.h>
int gate_new(struct gate **ret, struct event_base *base, const struct gate_limits *limits,
	     const struct gate_ops *ops, void *userdata, char *why, size_t why_size)
{
	(void)ret, (void)base, (void)limits, (void)ops, (void)userdata;
	snprintf(why, why_size, "not merged");
	return -EOPNOTSUPP;
}
struct gate *gate_free(struct gate *g)
{
	(void)g;
	return NULL;
}
void gate_set_limits(struct gate *g, const struct gate_limits *limits)
{
	(void)g, (void)limits;
}
int gate_mark(struct gate *g, int fd, char *why, size_t why_size)
{
	(void)g, (void)fd, (void)why, (void)why_size;
	return -EOPNOTSUPP;
}
void gate_unmark(struct gate *g, uint64_t device, uint64_t inode)
{
	(void)g, (void)device, (void)inode;
}
pid_t gate_find_gap(struct gate *g, int fd, pid_t except)
{
	(void)g, (void)fd, (void)except;
	return 0;
}
void gate_answer(struct gate *g, uint64_t number, int error)
{
	(void)g, (void)number, (void)error;
}
