// SPDX-License-Identifier: GPL-2.0-or-later
/* shrink.c - see shrink.h. */
#include "shrink.h"

#include <stdlib.h>
#include <string.h>

struct search {
	struct op *ops; /* the shortest that failed */
	struct op *attempt;
	size_t n;
	unsigned int tries;
	bool (*fails)(const struct op *ops, size_t n, void *userdata);
	void *userdata;
};

/* The attempt, of @n operations, becomes the tape if it fails as well. */
static bool accept(struct search *s, size_t n)
{
	if (s->tries == 0)
		return false;
	s->tries--;
	if (!s->fails(s->attempt, n, s->userdata))
		return false;
	memcpy(s->ops, s->attempt, n * sizeof(*s->ops));
	s->n = n;
	return true;
}

/* Without @count operations from @at on. */
static bool leave_out(struct search *s, size_t at, size_t count)
{
	memcpy(s->attempt, s->ops, at * sizeof(*s->ops));
	memcpy(s->attempt + at, s->ops + at + count, (s->n - at - count) * sizeof(*s->ops));
	return accept(s, s->n - count);
}

static bool leave_out_some(struct search *s, size_t count)
{
	bool some = false;

	/* from the end on: what is late is seldom needed by what is early */
	for (size_t at = s->n; at > 0;) {
		size_t from = at > count ? at - count : 0;

		some |= leave_out(s, from, at - from);
		at = from;
	}
	return some;
}

static void simplify(struct search *s, size_t at)
{
	const struct op old = s->ops[at];
	const struct op simpler[] = {
		{ old.kind, old.file, 0, old.length, old.other, old.value },
		{ old.kind, old.file, old.offset / PAGE * PAGE, PAGE, old.other, old.value },
		{ old.kind, old.file, old.offset, old.length, 0, old.value },
	};

	for (size_t i = 0; i < sizeof(simpler) / sizeof(*simpler); i++) {
		if (!memcmp(&simpler[i], &s->ops[at], sizeof(old)))
			continue;
		memcpy(s->attempt, s->ops, s->n * sizeof(*s->ops));
		s->attempt[at] = simpler[i];
		accept(s, s->n);
	}
}

size_t shrink(struct op *ops, size_t n, unsigned int tries,
	      bool (*fails)(const struct op *ops, size_t n, void *userdata), void *userdata)
{
	struct search s = { .ops = ops,
			    .attempt = calloc(n + 1, sizeof(*ops)),
			    .n = n,
			    .tries = tries,
			    .fails = fails,
			    .userdata = userdata };
	size_t count = n / 2;

	if (!s.attempt)
		return n;
	while (count > 0 && s.tries > 0)
		if (!leave_out_some(&s, count) || count > 1)
			count /= 2;
	for (size_t i = 0; i < s.n; i++)
		simplify(&s, i);
	free(s.attempt);
	return s.n;
}
