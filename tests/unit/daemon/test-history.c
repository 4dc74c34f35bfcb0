// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-history.c - the rings of the history: what is found in which order, what is lost first, and
 * who keeps what. No clock: times are what the test says.
 */
#undef NDEBUG
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "history/history.h"

#define FIRST 1000

static struct history *history;

static uint64_t add(struct history_region *r, enum history_kind kind, uint64_t revocation)
{
	const struct history_event e = { .kind = (uint8_t)kind,
					 .revocation = revocation,
					 .real_usec = revocation };

	return history_add(history, r, &e);
}

static struct history_region *begin(uint64_t region, uint32_t uid, uint64_t inode, const char *path)
{
	struct history_region *r = NULL;

	assert(history_begin(history, region, uid, "default", "name", 8, inode, path, &r) == 0 &&
	       r);
	return r;
}

/* How many there are; they are in order, and all the filter's. */
static unsigned int count(const struct history_filter *f, uint64_t *ret_first)
{
	const struct history_region *of = NULL;
	const struct history_event *e;
	struct history_search s = { 0 };
	uint64_t after = 0;
	unsigned int n = 0;

	while (history_search(history, f, after, &s))
		;
	while ((e = history_next_found(history, f, after, &s, &of))) {
		assert(e->sequence > after);
		assert(!f->region || of->region == f->region);
		assert(!f->has_uid || of->uid == f->uid);
		if (!n++ && ret_first)
			*ret_first = e->sequence;
		after = e->sequence;
	}
	return n;
}

static const struct history_filter all;

static void test_order(void)
{
	const struct history_filter mine = { .has_uid = true, .uid = 1 };
	const struct history_filter number = { .has_file = true, .device = 8, .inode = 21 };
	const struct history_filter path = { .has_file = true, .path = "/a" };
	const struct history_filter other = { .has_file = true, .device = 9, .inode = 21 };
	const struct history_region *of = NULL;
	struct history_region *a, *b;

	assert(history_new(&history, FIRST) == 0);
	assert(!history_next(history, &all, 0, &of) && history_oldest_usec(history) == 0);
	a = begin(7, 1, 21, "/a");
	b = begin(8, 2, 22, NULL);
	assert(add(a, HISTORY_REGISTERED, 1) == FIRST);
	assert(add(b, HISTORY_REGISTERED, 2) == FIRST + 1);
	assert(add(a, HISTORY_REMOVED, 3) == FIRST + 2);
	assert(add(NULL, HISTORY_REMOVED, 3) == 0); /* there was no memory for it */
	assert(count(&all, NULL) == 3 && count(&mine, NULL) == 2);
	assert(count(&number, NULL) == 2 && count(&path, NULL) == 2 && count(&other, NULL) == 0);
	/* from the last on, and from behind it; numbers of a daemon before are lower than all */
	assert(history_next(history, &all, FIRST + 1, &of)->sequence == FIRST + 2);
	assert(!history_next(history, &all, FIRST + 2, &of));
	assert(!history_next(history, &all, UINT64_MAX, &of));
	assert(history_next(history, &all, 1, &of)->sequence == FIRST && of->region == 7);
	assert(history_oldest_usec(history) == 1);
	/* it ends, and what is known of it stays with its events */
	history_end(history, a);
	assert(count(&path, NULL) == 2);
	history = history_free(history);
}

/* A region keeps its last ones, whatever others do; one that ended has the machine's alone. */
static void test_overflow(void)
{
	const struct history_filter quiet = { .region = 1 }, loud = { .region = 2 };
	const struct history_filter file = { .has_file = true, .device = 8, .inode = 11 };
	struct history_region *a, *b, *c;
	uint64_t first = 0;

	assert(history_new(&history, FIRST) == 0);
	a = begin(1, 1, 11, "/quiet");
	b = begin(2, 2, 12, "/loud");
	c = begin(3, 1, 13, "/ended");
	add(c, HISTORY_REGISTERED, 1);
	for (int i = 0; i < 10; i++)
		add(a, HISTORY_EXPORTED, 1);
	history_end(history, c);
	for (int i = 0; i < HISTORY_MACHINE; i++)
		add(b, HISTORY_EXPORTED, 5);
	assert(count(&all, &first) == HISTORY_MACHINE && first == FIRST + 11);
	assert(history_oldest_usec(history) == 5);
	assert(count(&loud, NULL) == HISTORY_MACHINE);
	assert(count(&quiet, &first) == 10 && first == FIRST + 1);
	assert(count(&file, NULL) == 10);
	/* of what all have at once each number is met once */
	add(a, HISTORY_ASKED, 9);
	assert(count(&quiet, NULL) == 11);
	/* the oldest go first */
	for (int i = 0; i < HISTORY_REGION; i++)
		add(a, HISTORY_EXPORTED, 10);
	for (int i = 0; i < HISTORY_MACHINE; i++)
		add(b, HISTORY_EXPORTED, 11);
	assert(count(&quiet, &first) == HISTORY_REGION);
	assert(first == FIRST + 11 + HISTORY_MACHINE + 1);
	history_end(history, a);
	assert(count(&quiet, NULL) == 0);
	history_end(history, b);
	assert(count(&loud, NULL) == HISTORY_MACHINE);
	history = history_free(history);
}

/* Thousands come, do one thing and go: what was known of them goes with their events. */
static void test_many(void)
{
	const struct history_filter one = { .region = 9000 }, lost = { .region = 1 };

	assert(history_new(&history, FIRST) == 0);
	for (uint64_t i = 1; i <= 9000; i++) {
		struct history_region *r = begin(i, (uint32_t)i, i, "/x");

		add(r, HISTORY_REGISTERED, i);
		history_end(history, r);
		history_end(history, i % 2 ? NULL : begin(i + 10000, 1, 1, NULL));
	}
	assert(count(&all, NULL) == HISTORY_MACHINE);
	assert(count(&one, NULL) == 1 && count(&lost, NULL) == 0);
	assert(history_oldest_usec(history) == 9000 - HISTORY_MACHINE + 1);
	history = history_free(history);
}

/* One after the other they fill all that there is for all of them: then each has its few. */
static void test_spare(void)
{
	enum { MANY = HISTORY_SPARE / (HISTORY_REGION - HISTORY_REGION_FIRST) + 2 };
	static struct history_region *r[MANY + 1];
	const struct history_filter one = { .region = 1 }, last = { .region = MANY };

	assert(history_new(&history, FIRST) == 0);
	for (uint64_t i = 1; i <= MANY; i++) {
		r[i] = begin(i, 1, i, NULL);
		for (int k = 0; k < HISTORY_REGION; k++)
			add(r[i], HISTORY_EXPORTED, 1);
	}
	r[0] = begin(MANY + 1, 1, 1, NULL);
	for (int i = 0; i < HISTORY_MACHINE; i++)
		add(r[0], HISTORY_EXPORTED, 2);
	assert(count(&one, NULL) == HISTORY_REGION && count(&last, NULL) == HISTORY_REGION_FIRST);
	history_end(history, r[1]); /* its places are another one's */
	for (int k = 0; k < HISTORY_REGION; k++)
		add(r[MANY], HISTORY_EXPORTED, 3);
	for (int i = 0; i < HISTORY_MACHINE; i++)
		add(r[0], HISTORY_EXPORTED, 4);
	assert(count(&last, NULL) > HISTORY_REGION_FIRST);
	history = history_free(history);
}

static void add_many(struct history_region *r, unsigned int n)
{
	while (n--)
		add(r, HISTORY_EXPORTED, 1);
}

/* Who came first and took all shares it with whoever comes, down to equal shares, and not further. */
static void test_fair_share(void)
{
	enum {
		ONE = HISTORY_REGION - HISTORY_REGION_FIRST,
		MANY = HISTORY_SPARE / ONE + 2,
		EACH = 64
	};
	static struct history_region *greedy[MANY + 1], *late[MANY + 1];
	struct history_filter one = { .region = 1 };
	unsigned int kept = 0, got = 0;

	assert(history_new(&history, FIRST) == 0);
	for (uint64_t i = 1; i <= MANY; i++) {
		greedy[i] = begin(i, 1, i, NULL);
		add_many(greedy[i], HISTORY_REGION);
	}
	late[1] = begin(MANY + 1, 2, 1, NULL);
	add_many(late[1], HISTORY_REGION);
	add_many(greedy[MANY], HISTORY_MACHINE); /* it does not get it back */
	one.region = MANY + 1;
	assert(count(&one, NULL) == HISTORY_REGION);
	one.region = 1; /* its first region gave way, and has its last events */
	assert(count(&one, NULL) == HISTORY_REGION_FIRST);
	for (uint64_t i = 2; i <= MANY; i++) {
		late[i] = begin(MANY + i, 2, i, NULL);
		add_many(late[i], HISTORY_REGION);
	}
	for (uint64_t i = 1; i <= MANY; i++) /* neither takes from the other now */
		add_many(greedy[i], HISTORY_REGION);
	for (uint64_t i = 1; i <= MANY; i++)
		add_many(late[i], HISTORY_REGION);
	history_end(history, late[MANY]);
	late[0] = begin(3 * MANY, 3, 1, NULL);
	add_many(late[0], HISTORY_MACHINE);
	for (uint64_t i = 1; i <= MANY; i += EACH) { /* looking at all takes seconds */
		one.region = i;
		kept += count(&one, NULL) - HISTORY_REGION_FIRST;
		one.region = MANY + i;
		got += i < MANY ? count(&one, NULL) - HISTORY_REGION_FIRST : 0;
	}
	assert(kept > HISTORY_SPARE / EACH * 2 / 5 && kept < HISTORY_SPARE / EACH * 3 / 5);
	assert(got > HISTORY_SPARE / EACH * 2 / 5 && got < HISTORY_SPARE / EACH * 3 / 5);
	history = history_free(history);
}

/* A step looks at a few regions, however many there are; what comes and goes meanwhile is no matter. */
static void test_steps(void)
{
	enum { MANY = 5000 };
	static struct history_region *r[MANY + 1];
	const struct history_filter file = { .has_file = true, .path = "/shared" };
	const struct history_filter one = { .region = 17 };
	const struct history_region *of = NULL;
	struct history_search s = { 0 };
	const struct history_event *e;
	unsigned int steps = 1, n = 0;
	uint64_t after = 0;

	assert(history_new(&history, FIRST) == 0);
	for (uint64_t i = 1; i <= MANY; i++) {
		r[i] = begin(i, 1, i, i % 50 ? "/other" : "/shared");
		add(r[i], HISTORY_EXPORTED, 1);
		add(r[i], HISTORY_EXPORTED, 2);
	}
	while (history_search(history, &one, 0, &s))
		steps++;
	assert(steps == 1);
	s = (struct history_search){ 0 };
	for (uint64_t i = 1; history_search(history, &file, 0, &s); i++, steps++) {
		history_end(history, r[i]);
		r[i] = begin(MANY + i, 1, i, "/shared");
		add(r[i], HISTORY_EXPORTED, 3);
	}
	assert(steps > MANY / 100);
	while ((e = history_next_found(history, &file, after, &s, &of))) {
		assert(e->sequence > after && !strcmp(of->path, "/shared"));
		after = e->sequence;
		n += of->region <= MANY;
	}
	/* two of each fiftieth that is still there, and of one that is not what the machine has */
	assert(n >= 2 * (MANY - steps) / 50 - 2 && n <= 2 * MANY / 50);
	history = history_free(history);
}

/* Of a cgroup that is too long the end is told, which is where a job stands. */
static void test_asker(void)
{
	char cgroup[400] = "/";
	struct asker a = { 0 };

	asker_set_cgroup(&a, "/job\n\x1b[31m\xc3\xa4");
	assert(!strcmp(a.cgroup, "/job??[31m\xc3\xa4"));
	for (int i = 0; i < 60; i++)
		strcat(cgroup, "\xc3\xa4x");
	strcat(cgroup, "/job-7");
	asker_set_cgroup(&a, cgroup);
	assert(!strncmp(a.cgroup, "...", 3) && strlen(a.cgroup) < sizeof(a.cgroup));
	assert(!strcmp(a.cgroup + strlen(a.cgroup) - 6, "/job-7"));
	assert(((unsigned char)a.cgroup[3] & 0xc0) != 0x80); /* not inside a character */
	asker_look(&a, 0, ASKER_NO_UID, 0);
	assert(a.pid == 0 && a.uid == ASKER_NO_UID && !*a.comm);
	asker_look(&a, UINT32_MAX, ASKER_NO_UID, 0);
	assert(a.pid == UINT32_MAX && a.uid == ASKER_NO_UID && !*a.comm);
}

int main(void)
{
	test_order();
	test_overflow();
	test_many();
	test_spare();
	test_fair_share();
	test_steps();
	test_asker();
	return 0;
}
