/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * gate-internal.h - shared by gate.c (the kernel's events, the marks) and gate-passage.c (who
 * waits, who is at work).
 *
 * What always holds: memory of a passage that ended is only given back between two callbacks, so
 * that a callback may call gate_answer(), gate_mark() and gate_unmark() while the list is walked. A
 * passage outlives its file's mark: then @file is NULL.
 */
#ifndef RDMAREG_GATE_INTERNAL_H
#define RDMAREG_GATE_INTERNAL_H

#include <sys/queue.h>

#include "gate/gate-classify.h"
#include "gate/gate-look.h"
#include "gate/gate.h"

#define GATE_BUCKETS 256

/*
 * Groups of fanotify(7). Each answer in a group wakes everybody who waits in it, and a task that
 * was woken shows as running for a while, so its call cannot be seen: who waits at one file must
 * not be woken by the readers of another. So each file has a group of its own as long as there are
 * some left (the kernel allows a user 128 by default).
 */
#define GATE_QUEUES 32

struct gate_queue {
	struct gate *gate;
	int fd;
	struct event *readable;
	uint32_t files;
};

struct claim {
	LIST_ENTRY(claim) of_file;
	LIST_ENTRY(claim) bucket;
	struct gate_claim info;
	struct gate_file *file;
};

struct gate_file {
	LIST_ENTRY(gate_file) bucket;
	LIST_HEAD(, claim) claims;
	struct gate_queue *queue;
	uint64_t device;
	uint64_t inode;
	int fd; /* O_PATH: keeps the inode, and is what the mark is taken away by */
	uint32_t
		/* passages let through; while there is one the end of calls is reported, too */
		at_work;
	bool can_share;
};

enum passage_state {
	/*
	 * what its task does is not known yet, since it was running when it was looked at; or there
	 * is no place for it
	 */
	PASSAGE_UNSURE,
	PASSAGE_WAITING, /* announced */
	PASSAGE_AT_WORK, /* let through */
	PASSAGE_ENDED,	 /* to be freed */
};

struct passage {
	TAILQ_ENTRY(passage) list;
	struct gate_passage info;
	enum passage_state state;
	struct gate_file *file;
	struct gate_queue *queue;
	struct gate_event event;
	int event_fd; /* what the kernel knows the event by; -1: answered */
	struct gate_look *look;
	int task_error; /* without @look: why its task cannot be looked at */
	struct gate_call call;
	bool call_known;
	bool call_ended;      /* the kernel said so */
	uint64_t until;	      /* CLOCK_MONOTONIC: end of what it is doing, in any case */
	uint64_t place_until; /* how long it waits for a place; 0: it has not begun to */
};

TAILQ_HEAD(passage_list, passage);

struct deadman;
struct event;

struct gate {
	struct event_base *base;
	struct event *ends;
	struct event *tick;	   /* pending while there are passages */
	struct event *unsure_tick; /* pending while there are some of whom nothing is known */
	const struct gate_ops *ops;
	void *userdata;
	struct gate_limits limits;
	struct deadman *deadman; /* while there are files */
	struct gate_lookout *lookout;
	struct gate_queue queues[GATE_QUEUES];
	int ends_fd; /* the group that tells the ends of calls */
	uint64_t last_number;
	uint32_t n_files;
	uint32_t n_passages;
	uint32_t n_unsure;
	uint32_t ticks;
	uint64_t quiet_until; /* about having no room; a client must not fill the log */
	LIST_HEAD(, gate_file) files[GATE_BUCKETS];
	LIST_HEAD(, claim) claims[GATE_BUCKETS];
	struct passage_list passages; /* who waits and who is at work, oldest first */
	struct passage_list unsure;
};

/* gate.c */
/* Answers the kernel and closes @event_fd. */
void gate_respond(struct gate_queue *q, int event_fd, int error);
void gate_report_ends(struct gate *g, const struct gate_file *f, bool on);
void gate_read_ends(struct gate *g); /* passage_call_ended() for each that is there */

/* gate-passage.c */
int passages_init(struct gate *g);
void passages_deinit(struct gate *g); /* whoever waits is let through */
/* Takes @event_fd over. */
void passage_event(struct gate *g, struct gate_file *f, const struct gate_event *e, pid_t tid,
		   int event_fd);
/*
 * Task @tid has read or changed one of the files. Only notes it; over() comes with the next tick.
 */
void passage_call_ended(struct gate *g, pid_t tid);
/* The mark is gone. */
void passages_of_file_pass(struct gate *g, const struct gate_file *f);

#endif
