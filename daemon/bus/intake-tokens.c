// SPDX-License-Identifier: GPL-2.0-or-later
/* intake-tokens.c - see intake-tokens.h. */
#include "bus/intake-tokens.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bus/bus-internal.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "util/offload.h"
#include "util/passed.h"

#define TOKENS_KEPT 16 /* dbus-daemon passes no more with one message, unless it is told to */

/* A file that is like no other. */
struct stand_in {
	int fd;
	ino_t inode;
};

/* What a message brought that sd-bus has, or is about to have, with tokens. */
struct brought {
	char sender[BUS_NAME_MAX];
	uint32_t serial;
	uint32_t uid;
	unsigned int n_fds;
	STAILQ_ENTRY(brought) others;
	int fds[]; /* -1: claimed, or not taken */
};

struct tokens {
	struct offload *offload;
	struct stand_in nothing[_INTAKE_REFUSAL_MAX]; /* for what was not taken */
	struct stand_in token[DESCRIPTORS_MAX];	      /* for the first of a message, and so on */
	unsigned int n;	    /* TOKENS_KEPT, or as many as are with sd-bus */
	uint32_t n_brought; /* those of all in the list */
	STAILQ_HEAD(, brought) brought;
};

static int make_stand_in(struct stand_in *ret)
{
	struct stat st;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	close(ends[1]);
	if (fstat(ends[0], &st) < 0) {
		close(ends[0]);
		return -EBADF;
	}
	*ret = (struct stand_in){ ends[0], st.st_ino };
	return 0;
}

/* As many as a message needs. */
static int get_tokens(struct tokens *t, unsigned int n)
{
	int r = 0;

	while (t->n < n && (r = make_stand_in(&t->token[t->n])) == 0)
		t->n++;
	return r;
}

static void brought_free(struct tokens *t, struct brought *x)
{
	for (unsigned int k = 0; k < x->n_fds; k++)
		offload_close(t->offload, x->fds[k], x->uid);
	t->n_brought -= x->n_fds;
	free(x);
}

static void forget_brought(struct tokens *t)
{
	struct brought *x;

	while ((x = STAILQ_FIRST(&t->brought))) {
		STAILQ_REMOVE_HEAD(&t->brought, others);
		brought_free(t, x);
	}
}

void tokens_forget(struct tokens *t)
{
	forget_brought(t);
	while (t->n > TOKENS_KEPT)
		closep(&t->token[--t->n].fd);
}

/* Takes the descriptors over if it returns 0. */
static int keep_brought(struct tokens *t, const struct header *h, uint32_t uid, const int *fds,
			unsigned int n)
{
	struct brought *x = calloc(1, sizeof(*x) + n * sizeof(*x->fds));
	int r = x ? get_tokens(t, n) : -ENOMEM;

	if (r < 0) {
		log_error("no tokens can be made for descriptors of uid %u: %s", uid, strerror(-r));
		free(x);
		return r;
	}
	strcpy(x->sender, h->sender);
	x->serial = h->serial;
	x->uid = uid;
	x->n_fds = n;
	memcpy(x->fds, fds, n * sizeof(*x->fds));
	STAILQ_INSERT_TAIL(&t->brought, x, others);
	t->n_brought += x->n_fds;
	return 0;
}

/* Which one of them a descriptor of sd-bus is; @n: none. */
static unsigned int find_stand_in(const struct stand_in *s, unsigned int n, ino_t inode)
{
	unsigned int k = 0;

	while (k < n && s[k].inode != inode)
		k++;
	return k;
}

int tokens_claim(struct tokens *t, int token, const char *sender, uint64_t serial,
		 enum intake_refusal *ret_why)
{
	struct brought *x;
	struct stat st;
	unsigned int k;

	*ret_why = INTAKE_FAILED;
	if (fstat(token, &st) < 0)
		return -errno;
	k = find_stand_in(t->token, t->n, st.st_ino);
	STAILQ_FOREACH(x, &t->brought, others)
		if (x->serial == serial && k < x->n_fds && x->fds[k] >= 0 &&
		    !strcmp(x->sender, sender))
			return steal_fd(&x->fds[k]);
	k = find_stand_in(t->nothing, _INTAKE_REFUSAL_MAX, st.st_ino);
	if (k < _INTAKE_REFUSAL_MAX)
		*ret_why = (enum intake_refusal)k;
	return -EBUSY;
}

void tokens_exchange(struct tokens *t, const struct header *h, uint32_t uid,
		     enum intake_refusal refusal, int *fds, unsigned int n)
{
	unsigned int taken = 0;
	bool kept;

	for (unsigned int k = 0; k < n; k++)
		taken += fds[k] >= 0;
	kept = taken && keep_brought(t, h, uid, fds, n) == 0;
	for (unsigned int k = 0; k < n; k++) {
		int stand_in = fds[k] < 0 ? t->nothing[refusal].fd
			       : kept	  ? t->token[k].fd
					  : t->nothing[INTAKE_FAILED].fd;

		if (!kept)
			offload_close(t->offload, fds[k], uid);
		fds[k] = stand_in;
	}
}

uint32_t tokens_brought(const struct tokens *t)
{
	return t->n_brought;
}

int tokens_new(struct tokens **ret, struct offload *offload)
{
	struct tokens *t = calloc(1, sizeof(*t));
	int r = 0;

	if (!t)
		return -ENOMEM;
	t->offload = offload;
	STAILQ_INIT(&t->brought);
	for (int k = 0; k < _INTAKE_REFUSAL_MAX; k++)
		t->nothing[k].fd = -1;
	for (int k = 0; k < _INTAKE_REFUSAL_MAX && r == 0; k++)
		r = make_stand_in(&t->nothing[k]);
	if (r == 0)
		r = get_tokens(t, TOKENS_KEPT);
	if (r < 0) {
		tokens_free(t);
		return r;
	}
	*ret = t;
	return 0;
}

struct tokens *tokens_free(struct tokens *t)
{
	if (!t)
		return NULL;
	forget_brought(t);
	while (t->n)
		closep(&t->token[--t->n].fd);
	for (int k = 0; k < _INTAKE_REFUSAL_MAX; k++)
		closep(&t->nothing[k].fd);
	free(t);
	return NULL;
}
