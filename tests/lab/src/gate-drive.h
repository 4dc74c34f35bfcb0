/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * gate-drive.h - what the tests of the gate have in common: one gate, one marked file, and children
 * that do something to it.
 *
 * What always holds: this process never opens, reads or writes the file while it is marked, since
 * it would wait for itself; children have no descriptor of the gate's, since they would keep it
 * alive.
 */
#ifndef GATE_DRIVE_H
#define GATE_DRIVE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "gate/gate.h"

#define KIB UINT64_C(1024)
#define MIB (UINT64_C(1024) * 1024)
#define SIZE MIB
#define END UINT64_MAX
#define OLD_FD 3 /* in a child: the file, open for writing since before it was marked */

enum family { EXT4, XFS, BTRFS, _FAMILY_MAX };
enum policy { LET_THROUGH, REFUSE, HOLD, UNMARK };

struct drive {
	struct event_base *base;
	struct gate *gate;
	struct gate_limits limits;
	const char *filesystem; /* name, for people */
	enum family family;
	char target[256]; /* the file; a child may use it, and the two others */
	char source[256]; /* another, not marked, as large */
	char scratch[256];
	int old_fd;
	uint64_t key; /* of its claim */
	uint64_t inode;
	/* what is done with who wants blocks */
	enum policy policy;
	int refuse_error;
	uint64_t wait_usec;
	pid_t ours; /* passes() */
	/* what happened */
	unsigned int wanted, expired, over, refused;
	struct gate_passage last;
	bool order_is_right; /* expired() and over() were about @last, and over() came last */
};

extern struct drive d;

/* Runs in a child; 0 or an errno. */
typedef int (*operation)(void);

void check(bool good, const char *format, ...) __attribute__((format(printf, 2, 3)));
void must(bool good, const char *what); /* ends the program */

void drive_open(void); /* the gate */
void drive_close(void);
/* Guards the file behind @fd; 0 or -errno. Its key is in d.key. */
int drive_mark(int fd, struct failure *why);
/* A fresh file, marked, nothing recorded, who comes is let through. */
void drive_fresh(void);
pid_t drive_start(operation op);
/* Turns the loop until it has ended; its errno, or -signal. */
int drive_finish(pid_t pid);
int drive_run(operation op);
/* Turns the loop until it is so; false if that takes longer than anything should. */
bool drive_until(bool (*condition)(void));
bool drive_is_over(void);   /* as many over() as wanted() */
bool drive_is_waited(void); /* wanted() was called */
/* In a child: be an ordinary user. */
void drive_be_nobody(void);
off_t drive_size(void);
int drive_child_result(int status);

/* gate-drive-cells.c */
int op_ftruncate(void);
int op_punch(void);
int op_open_truncate(void);
int op_read(void);
int op_write(void);
void test_cells(void);
/* gate-drive-waits.c */
void test_waits(bool everything);
/* gate-drive-gap.c */
void test_gap(void);
void test_bad_input(const char *tmpfs);

#endif
