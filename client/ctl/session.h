/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * session.h - the connection of put or get, or one for each ticket of a list: the ticket read, events
 * counted and printed, the end summed up.
 */
#ifndef RDMAREGCTL_SESSION_H
#define RDMAREGCTL_SESSION_H

#include <stdio.h>

#include "ctl.h"

#define SESSION_CHUNK \
	(1u << 20) /* bytes in one call of the library; a multiple of every alignment that occurs */

struct session_options {
	const char *source;
	uint64_t timeout_usec; /* to connect */
	uint64_t settle_usec;
	uint64_t stripe_bytes;
	bool first_only;
	bool timeline;
	bool ignore_revocations;
};

#define SESSION_SPECS(type, member)                                                       \
	{ "source", ARG_TEXT, offsetof(type, member.source), "ADDRESS",                   \
	  "connect from this address of this machine" },                                  \
		{ "timeout", ARG_TIME, offsetof(type, member.timeout_usec), "TIME",       \
		  "how long to try to connect (10s)" },                                   \
		{ "settle-timeout", ARG_TIME, offsetof(type, member.settle_usec), "TIME", \
		  "how long to wait for a revocation to settle (2min)" },                 \
		{ "stripe", ARG_SIZE, offsetof(type, member.stripe_bytes), "SIZE",        \
		  "of several tickets: bytes over one rail at a time (128K)" },           \
		{ "first", ARG_FLAG, offsetof(type, member.first_only), NULL,             \
		  "of several tickets: use the first that works" },                       \
		{ "timeline", ARG_FLAG, offsetof(type, member.timeline), NULL,            \
		  "print events as JSON lines, as they happen" }

struct session {
	const struct ctl *ctl;
	struct rdmareg_rails *rails;
	unsigned int n_rails; /* that are connected */
	bool several;
	bool timeline;
	bool writes;
	FILE *people;	       /* where text for people goes: stderr when stdout carries data */
	uint64_t started_usec; /* CLOCK_MONOTONIC */
	uint64_t shown_usec;   /* progress was last drawn */
	uint64_t operations, bytes, passes;
	uint64_t revocations, acknowledged, settled, bypasses;
	bool persisted; /* what was written survives a power cut */
};

/*
 * session_begin - connect
 * @ticket: the ticket, or a list of them with one blank between two; "-" for a line of stdin, or "@FILE" for the first line of a file: what is on
 * 	a command line is seen by everybody here
 * @data_on_stdout: keep stdout clean 0, or an exit status with the message printed. session_end()
 * 	is needed in either case.
 */
int session_begin(struct session *s, const struct ctl *ctl, const struct session_options *o,
		  const char *ticket, enum rdmareg_access access, bool data_on_stdout);

/*
 * @length 0: not said. 0, or the exit status with the message printed, when the region can never
 * have that range.
 */
int session_check_range(struct session *s, const char *verb, uint64_t offset, uint64_t length);

/* Set by SIGINT, SIGTERM and the end of --duration: finish what is under way and end. */
bool session_stopped(const struct session *s);
void session_set_end(struct session *s, uint64_t after_usec);

/* Wait until the other side has said something, or the session is stopped. */
void session_wait(struct session *s);

/* Draw progress on a terminal, a few times a second. @total 0: unknown. */
void session_progress(struct session *s, uint64_t done, uint64_t total);

/*
 * Print the summary and close. @verb: "wrote", "read". @status: of the verb. Who failed has said
 * how far it came, and that stays the last word to people; JSON (with --json or --timeline) has its
 * summary in any case.
 */
void session_end(struct session *s, const char *verb, int status);

#endif
