/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * gate-channel.h - the socket between rdmaregd and rdmareg-gate, and what is said on it. Both are
 * of one build: there are no versions.
 *
 * What always holds: no descriptor is ever sent or taken; sending waits for nobody, what the socket
 * does not take is kept and sent later, in order.
 */
#ifndef RDMAREG_GATE_CHANNEL_H
#define RDMAREG_GATE_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GATE_SOCKET 3 /* the descriptor that rdmareg-gate finds it at */
#define GATE_TEXT_MAX 300

enum gate_message_type {
	/* to the gate */
	GATE_LIMITS = 1, /* files, passages, usec (the watchdog's) */
	/*
	 * pid, number (when it started, as process_start() says): a keeper of ours, for as long as
	 * it lives
	 */
	GATE_OURS,
	/*
	 * number (the claim's key), fd (the daemon's), device, inode, the claim, pid (may have it
	 * open); GATE_MARKED answers
	 */
	GATE_MARK,
	GATE_CHANGE, /* number, the claim */
	GATE_UNMARK, /* number */
	GATE_ANSWER, /* number (the passage's), error */
	GATE_WAIT,   /* number (the passage's), usec: from now */
	/* from it */
	/* number (the claim's key), error, text (why), pid: has it open since before, or 0 */
	GATE_MARKED,
	GATE_WANTED,  /* a passage */
	GATE_EXPIRED, /* number (the passage's) */
	GATE_OVER,    /* number (the passage's) */
	GATE_REFUSED, /* a passage; key: the claim */
};

struct gate_message {
	uint32_t type;
	int32_t error;
	uint64_t number;
	uint64_t key;
	uint64_t device;
	uint64_t inode;
	uint64_t offset;
	uint64_t length;
	uint64_t usec;
	uint32_t files;
	uint32_t passages;
	int32_t fd;
	int32_t pid;
	int32_t tid;
	uint32_t uid;
	uint32_t cause;
	uint32_t refuses;
	char text[GATE_TEXT_MAX];
};

struct event_base;
struct gate_channel;

/* @m: NULL when the other end is gone, once; the channel may be freed from there. */
typedef void gate_channel_t(void *userdata, const struct gate_message *m);

/* Takes @fd over, also on failure. -ENOMEM */
int gate_channel_new(struct gate_channel **ret, struct event_base *base, int fd,
		     gate_channel_t *received, void *userdata);
struct gate_channel *gate_channel_free(struct gate_channel *c);
/*
 * Hands out some of what is there already, as a turn of the loop does, without waiting for one;
 * ignored from within received().
 */
void gate_channel_read(struct gate_channel *c);
/* Out of memory: false, and nothing was sent. */
bool gate_channel_send(struct gate_channel *c, const struct gate_message *m);
/* Messages that the socket did not take yet. */
size_t gate_channel_queued(const struct gate_channel *c);
/* Takes an unsent message with that number and type back. False: it is sent. */
bool gate_channel_withdraw(struct gate_channel *c, uint32_t type, uint64_t number);

#endif
