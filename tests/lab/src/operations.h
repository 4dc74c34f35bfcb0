/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * operations.h - what others do to a file that somebody has registered: each operation that a filesystem knows and that could take blocks, and some
 * that must not be hindered. For programs that run them in a process of their own and watch what happens.
 */
#ifndef OPERATIONS_H
#define OPERATIONS_H

#include <stdint.h>

/* Two files of SIZE bytes on one filesystem, opened before anybody watched them. */
struct scene {
	const char *path;  /* the registered file */
	const char *other; /* another one */
	int fd;		   /* O_RDWR of the first */
	int other_fd;
};

#define OPERATION_SIZE (UINT64_C(4) << 20)

struct operation {
	const char *name;
	const char *what;					   /* for people */
	int (*run)(const struct scene *s, unsigned long argument); /* 0, or an errno */
	unsigned long argument;
};

extern const struct operation operations[];
extern const unsigned int n_operations;

/* NULL: there is none of this name. */
const struct operation *operation_find(const char *name);

#endif
