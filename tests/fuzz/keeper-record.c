// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * keeper-record.c - the mapped file in which the daemon notes a keeper's regions, as the next daemon
 * finds it: damaged, cut short, or written by somebody else.
 *
 * Measured: daemon/proxy/record.c
 *
 * The file begins as the daemon writes it, with some regions. The input changes bytes of it, and
 * its length. If it is opened at all, what is claimed from it is within bounds and comes once, and
 * what is written to it afterwards is what the daemon after that one finds. Of a file that nothing
 * was changed in, each region comes as it was written.
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>

#include "bytes.h"
#include "proxy/record.h"
#include "temporary.h"

#define REGIONS 4u
#define PAGE 4096u
#define ADDED 78u

static char path[96];

static struct record_region region_of(uint64_t id)
{
	struct record_region g = {
		.id = id,
		.inode = 100 + id,
		.length = PAGE * id,
		.terms = { .grace_usec = 1000 + id, .policy = (uint8_t)(id % _REGION_POLICY_MAX) },
		.detached = id % 2,
		.owner = ":1.7",
		.path = "/data/file",
	};

	snprintf(g.name, sizeof(g.name), "name-%u", (unsigned int)id);
	return g;
}

/* How many regions. */
static unsigned int write_as_daemon(struct bytes *b)
{
	const struct record_keeper k = { .uid = 1000, .session = "default", .regions = 100 };
	unsigned int n = bytes_u8(b) % (REGIONS + 1);
	struct record *r;
	uint32_t slot;

	unlink(path);
	assert(record_new(&r, path, &k) == 0);
	for (unsigned int i = 1; i <= n; i++) {
		struct record_region g = region_of(i);

		assert(record_add(r, &g, &slot) == 0);
	}
	record_free(r);
	return n;
}

/* WHERE (2 bytes), HOW MANY (1), BYTES; none: the file ends there. */
static void damage(struct bytes *b)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	assert(fd >= 0);
	while (b->left) {
		uint16_t where = bytes_u16(b);
		uint8_t bytes[32], n = bytes_u8(b) % (sizeof(bytes) + 1);

		bytes_take(b, bytes, n);
		if (n)
			assert(pwrite(fd, bytes, n, where) == n);
		else
			assert(ftruncate(fd, where) == 0);
	}
	close(fd);
}

static void check_region(const struct record_region *g)
{
	assert(g->id && g->length && g->length % PAGE == 0 && g->offset % PAGE == 0);
	assert(g->offset <= INT64_MAX && g->length <= INT64_MAX - g->offset);
	assert(g->access < _REGION_ACCESS_MAX && g->terms.policy < _REGION_POLICY_MAX &&
	       g->detached < 2 && g->terms.gated < 2 && g->terms.gate_asked < 2);
	assert(memchr(g->owner, 0, sizeof(g->owner)) && memchr(g->path, 0, sizeof(g->path)) &&
	       memchr(g->name, 0, sizeof(g->name)));
}

static void on_owner(void *userdata, const char *mark)
{
	assert(*mark && strlen(mark) < RECORD_MARK_MAX);
	++*(unsigned int *)userdata;
}

static bool is_same(const struct record_region *a, const struct record_region *b)
{
	return a->id == b->id && a->inode == b->inode && a->length == b->length &&
	       a->terms.grace_usec == b->terms.grace_usec && a->terms.policy == b->terms.policy &&
	       a->detached == b->detached && !strcmp(a->owner, b->owner) &&
	       !strcmp(a->path, b->path) && !strcmp(a->name, b->name);
}

/* @whole: nothing was changed in the file. */
static void check_claimed(const struct record_region *g, bool whole)
{
	struct record_region wanted = region_of(g->id);

	check_region(g);
	assert(!whole || is_same(g, &wanted));
}

/* The regions there are, of which the even ones are claimed by number first. How many. */
static unsigned int claim_all(struct record *r, bool whole, bool only_even)
{
	struct record_region g;
	uint64_t last = 0;
	unsigned int n = 0;
	uint32_t at = 0, slot;

	for (uint64_t id = 2; id <= REGIONS; id += 2)
		if (record_claim(r, id, &g, &slot)) {
			check_claimed(&g, whole);
			assert(g.id == id && !record_claim(r, id, &g, &slot));
			n++;
		}
	while (!only_even && record_claim_next(r, &at, &g, &slot)) {
		check_claimed(&g, whole);
		assert(g.id > last && !record_claim(r, g.id, &g, &slot));
		last = g.id;
		n++;
	}
	return n;
}

/* One that comes, changes and goes, and then another in its place. True: there is one more. */
static bool add_again(struct record *r)
{
	const struct record_terms terms = { .grace_usec = 5, .policy = POLICY_HOLD };
	struct record_region g = region_of(77), next = region_of(ADDED);
	uint32_t slot, again;
	int error = record_add(r, &g, &slot);

	assert(error == 0 || error == -ENOSYS || (error == -ENOBUFS && !record_has_slot(r)));
	if (error < 0)
		return false;
	record_set_terms(r, slot, &terms);
	record_remove(r, slot);
	assert(record_add(r, &next, &again) == 0 && again == slot);
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes b = { data, size };
	unsigned int n, again, written, owners = 0;
	struct record_region g, wanted = region_of(ADDED);
	const struct record_keeper *k;
	bool whole, only_even, added;
	struct record *r;
	uint32_t slot;

	snprintf(path, sizeof(path), "%s/record", temporary_folder());
	written = write_as_daemon(&b);
	only_even = bytes_u8(&b) & 1;
	whole = !b.left;
	damage(&b);
	if (record_open(&r, path) < 0) {
		assert(!whole);
		return 0;
	}
	k = record_keeper(r);
	assert(memchr(k->session, 0, sizeof(k->session)) && memchr(k->unit, 0, sizeof(k->unit)) &&
	       memchr(k->cgroup, 0, sizeof(k->cgroup)) &&
	       memchr(k->invocation, 0, sizeof(k->invocation)));
	record_each_owner(r, on_owner, &owners);
	n = claim_all(r, whole, only_even);
	assert(!whole || (n == (only_even ? written / 2 : written) && owners == (written > 0)));
	record_end_claims(r);
	added = add_again(r);
	record_free(r);
	assert(record_open(&r, path) == 0);
	/* a number that was there twice by now is nobody's */
	if (record_claim(r, ADDED, &g, &slot))
		assert(added && is_same(&g, &wanted));
	else
		assert(!added || !whole);
	again = claim_all(r, false, false);
	assert(again == n || again + 1 == n);
	record_free(r);
	return 0;
}
