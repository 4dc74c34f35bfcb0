/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * operations.h - what others do to a file that somebody has registered: each operation that a
 * filesystem knows and that could take blocks, and some that must not be hindered. For programs
 * that run them in a process of their own and watch what happens.
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

/* What it takes. */
enum operation_needs {
	NEEDS_NOTHING,
	NEEDS_ROOT,    /* as who runs it */
	NEEDS_SERVED,  /* $PROBE_SERVED: an NFS or SMB client's mount of the file's folder */
	NEEDS_BENEATH, /* $PROBE_BENEATH: the folder at the server, of a file on an NFS mount */
};

struct operation {
	const char *name;
	const char *what;					   /* for people */
	int (*run)(const struct scene *s, unsigned long argument); /* 0, or an errno */
	unsigned long argument;
	enum operation_needs needs;
	/* NULL, or the only filesystem that has it: on others it is run only if it is named */
	const char *only_on;
	unsigned int
		quiet_msec; /* 0, or how long it can take until somebody learns of it afterwards */
	/*
	 * NULL, or: done by root before the file is registered, and after the operation. 0, or an
	 * errno.
	 */
	int (*prepare)(const struct scene *s);
	void (*undo)(const struct scene *s);
};

extern const struct operation operations[];
extern const unsigned int n_operations;

/* NULL: there is none of this name. */
const struct operation *operation_find(const char *name);

#endif
