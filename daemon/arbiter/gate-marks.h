/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * gate-marks.h - the files that the gate guards, and what the kernel is asked to tell about each. For gate.c and nobody else.
 *
 * What always holds: a file is marked exactly while somebody counts it; FAN_MODIFY is asked for exactly while somebody works on it.
 */
#ifndef RDMAREG_GATE_MARKS_H
#define RDMAREG_GATE_MARKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#define MARK_BUCKETS 1024 /* a power of two */

struct mark {
	uint64_t device;
	uint64_t inode;
	int fd; /* unmarking needs the object */
	unsigned int count;
	unsigned int at_work;
	bool shares_blocks; /* the filesystem may have reflinks */
	LIST_ENTRY(mark) marks;
};

struct marks {
	int fanotify;
	uint32_t n;
	LIST_HEAD(, mark) bucket[MARK_BUCKETS];
};

struct mark *marks_find(struct marks *s, uint64_t device, uint64_t inode);
struct mark *marks_first(struct marks *s);

/* Marks the file behind @fd, once more if it is marked. Errors and @why as gate_mark() has them. */
int marks_add(struct marks *s, int fd, uint32_t max, char *why, size_t why_size);

/* Unmarks, closes, frees. */
void marks_remove(struct marks *s, struct mark *m);

/* Somebody begins (1), or ends (-1), to work on the file. */
void marks_count_work(struct marks *s, struct mark *m, int change);

#endif
