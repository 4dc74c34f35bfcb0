// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-core-memory.c - the registry and memory: without any it says so and is what it was before,
 * and it gives back all that it took.
 *
 * What always holds: one allocation is refused between starve() and feed(), and none elsewhere.
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "core/registry.h"
#include "util/cleanup.h"

static const struct registry_limits limits = {
	.regions_per_tenant = 1000,
	.bytes_per_tenant = 100000,
	.regions_per_client = 1000,
	.tenants_per_uid = 100,
	.tenants = 100,
	.sessions = 1,
	.ids = 200,
};
static struct region *after_of_uid(const struct registry *r, uint32_t uid, uint64_t id)
{
	return registry_after_of(r, &uid, NULL, id);
}

static bool starving;
static unsigned int left; /* allocations that are granted before one is refused */

static bool refused(void)
{
	if (!starving || left--)
		return false;
	starving = false;
	return true;
}

/* The two the registry calls, in place of the C library's. */
void *calloc(size_t n, size_t size)
{
	void *p = refused() ? NULL : malloc(n * size);

	if (p)
		explicit_bzero(p, n * size);
	return p;
}

/*
 * What lies behind the newest arrays: if it is read it is no sense, and if it is written that is
 * seen.
 */
#define MARGIN 4096u
#define ARRAYS 64
static struct array {
	unsigned char *start;
	size_t size;
} arrays[ARRAYS];

static unsigned char behind(size_t i)
{
	return (unsigned char)(1 + i % 251);
}

static unsigned int longer; /* how many arrays were made longer */

void *reallocarray(void *p, size_t n, size_t size)
{
	struct array a = { .size = n * size };

	longer++;
	a.start = refused() ? NULL : realloc(p, a.size + MARGIN);
	if (!a.start)
		return NULL;
	for (size_t i = 0; i < MARGIN; i++)
		a.start[a.size + i] = behind(i);
	for (size_t i = 0; i < ARRAYS; i++)
		if (!arrays[i].start || arrays[i].start == p) {
			arrays[i] = a;
			return a.start;
		}
	abort();
}

/* To be called while all arrays are there. */
static void check_margins(void)
{
	for (size_t i = 0; i < ARRAYS && arrays[i].start; i++)
		for (size_t k = 0; k < MARGIN; k++)
			assert(arrays[i].start[arrays[i].size + k] == behind(k));
}

static void forget_arrays(void)
{
	memset(arrays, 0, sizeof(arrays));
}

static void starve(unsigned int after)
{
	starving = true;
	left = after;
}

static void feed(void)
{
	starving = false;
}

/*
 * Of 64 regions the @gone oldest go and one comes: is the list of their uid made longer for it? It
 * is in order all the same, also when one in the middle has gone.
 */
static bool list_grows(unsigned int gone)
{
	_cleanup_(registry_freep) struct registry *r = NULL;
	struct region *x[64], *y = NULL;
	uint64_t last = 0;
	unsigned int before, n = 0;
	uint32_t t;

	forget_arrays();
	assert(registry_new(&r, &limits) == 0 && registry_get_tenant(r, 1, "d", &t) == 0);
	for (unsigned int i = 0; i < 64; i++)
		assert(registry_add_region(r, t, 0, 1, 0, &x[i]) == 0);
	for (unsigned int i = 0; i < gone; i++)
		registry_remove_region(r, x[i]);
	before = longer;
	assert(registry_add_region(r, t, 0, 1, 0, &y) == 0 && y->id == 65);
	before = longer - before;
	registry_remove_region(r, x[40]);
	assert(!registry_find(r, 41) && registry_find(r, 42) == x[41]);
	for (; (y = after_of_uid(r, 1, last)); last = y->id, n++)
		assert(y == registry_after(r, last) && y->id > last);
	assert(n == 64 - gone && last == 65 && registry_count(r) == n);
	check_margins();
	return before;
}

/* A sixteenth of what is left is worth moving it. */
static void test_list(void)
{
	assert(list_grows(0) && list_grows(1) && list_grows(2));
	assert(!list_grows(3) && !list_grows(40));
}

static void test_none(void)
{
	struct registry *r = NULL;

	starve(0);
	assert(registry_new(&r, &limits) == -ENOMEM && !r);
	feed();
	assert(!registry_free(NULL));
	registry_freep(&r);
}

/*
 * Whichever of its allocations fails: refused, nothing charged, nothing half there; and the same
 * once more succeeds.
 */
static void test_too_little(void)
{
	_cleanup_(registry_freep) struct registry *r = NULL;
	struct region *x = NULL;
	static const struct session_limits own = { 0 };
	unsigned int granted = 0;
	uint32_t t = 77;

	forget_arrays();
	assert(registry_new(&r, &limits) == 0);
	for (unsigned int i = 0; i < 2; i++) { /* for its regions, and for itself */
		starve(i);
		assert(registry_get_tenant(r, 1, "d", &t) == -ENOMEM && t == 77 &&
		       !registry_tenant(r, 0));
	}
	starve(0);
	assert(registry_create_session(r, 1, "s", &own, 1, &t) == -ENOMEM &&
	       !registry_tenant(r, 0));
	feed();
	assert(registry_get_tenant(r, 1, "d", &t) == 0);
	for (starve(0); registry_add_region(r, t, 9, 100, 0, &x) == -ENOMEM; starve(++granted)) {
		feed();
		assert(!x && !registry_count(r) && !registry_tenant(r, t)->regions &&
		       !registry_tenant(r, t)->bytes);
		assert(!registry_client_regions(r, 9) && registry_next_id(r) == 1);
	}
	feed();
	/* the client, the list of regions, the region, and the ways to client and region */
	assert(granted == 3 + 2 * 11 && x && x->id == 1 && registry_client_regions(r, 9) == 1);
	starve(0);
	assert(registry_reserve_holder(r) == -ENOMEM && registry_take_holder(r) == 0);
	feed();
	assert(registry_reserve_holder(r) == 0);
	starve(0); /* there is one already */
	assert(registry_reserve_holder(r) == 0 && registry_take_holder(r) != 0);
	feed();
}

/*
 * Lines of lists and holders that are free again are used again: nothing grows with what has come
 * and gone.
 */
static void test_used_again(void)
{
	_cleanup_(registry_freep) struct registry *r = NULL;
	uint32_t t, u, holder, seen = 0;
	struct region *x[16], *y;

	forget_arrays();
	assert(registry_new(&r, &limits) == 0 && registry_get_tenant(r, 1, "d", &t) == 0);
	for (uint64_t i = 0; i < 16; i++) /* as many as the first room has lines for */
		assert(registry_add_region(r, t, 100 + i, 1, 0, &x[i]) == 0);
	starve(1); /* for the region itself */
	registry_remove_region(r, x[15]);
	assert(registry_add_region(r, t, 0, 1, 0, &x[15]) == 0);
	registry_remove_region(r, x[3]);
	assert(registry_client_regions(r, 103) == 0 && registry_client_regions(r, 101) == 1);
	starve(1);
	assert(registry_add_region(r, t, 101, 1, 0, &y) == 0 &&
	       registry_client_regions(r, 101) == 2);
	starve(0);
	assert(registry_add_region(r, t, 101, 1, 0, &y) == -ENOMEM); /* sixteen regions */
	assert(registry_client_regions(r, 101) == 2);
	feed();
	for (uint64_t i = 0; i < 16; i++)
		assert(i == 3 || registry_find(r, x[i]->id) == x[i]);
	check_margins();

	assert(registry_reserve_holder(r) == 0);
	for (int i = 0; i < 16; i++) {
		holder = registry_take_holder(r);
		assert(holder >= 1 && holder <= 16 && !(seen & 1u << holder));
		seen |= 1u << holder;
		registry_holder(r, holder)->next = y->holders;
		y->holders = holder;
	}
	assert(registry_take_holder(r) == 0);
	registry_remove_region(r, y); /* and with it its holders */
	starve(0);
	for (int i = 0; i < 16; i++)
		assert(registry_reserve_holder(r) == 0 && registry_take_holder(r) != 0);
	feed();
	check_margins();

	/* and tenants, of which there is none behind the last */
	assert(registry_get_tenant(r, 2, "d", &t) == 0 && !registry_tenant(r, t + 1));
	registry_drop_tenant(r, t + 1);
	registry_drop_tenant(r, t);
	assert(!registry_tenant(r, t) && registry_get_tenant(r, 3, "d", &u) == 0 && u == t);
	assert(registry_tenant(r, u)->uid == 3);
	check_margins();
}

/* Tenants without regions leave nothing, whoever was there before, and whatever was refused. */
static void test_users_come_and_go(void)
{
	enum { MANY = 40 };
	_cleanup_(registry_freep) struct registry *r = NULL;
	struct region *x, *first;
	uint32_t t;

	forget_arrays();
	assert(registry_new(&r, &limits) == 0);
	assert(registry_get_tenant(r, 1, "d", &t) == 0 &&
	       registry_add_region(r, t, 0, 1, 0, &first) == 0);
	for (uint32_t uid = 2; uid < MANY; uid++) {
		assert(registry_get_tenant(r, uid, "d", &t) == 0);
		starve(2); /* for the list of its regions, and the region */
		assert(registry_add_region(r, t, 0, 1, 0, &x) == 0);
		feed();
		assert(after_of_uid(r, uid, 0) == x && after_of_uid(r, 1, 0) == first);
		registry_remove_region(r, x);
		assert(!after_of_uid(r, uid, 0));
		registry_drop_tenant(r, t);
	}
	assert(registry_get_tenant(r, 2, "d", &t) == 0);
	starve(1); /* the region is refused, and its list goes with it */
	assert(registry_add_region(r, t, 0, 1, 0, &x) == -ENOMEM);
	starve(2);
	assert(registry_add_region(r, t, 0, 1, 0, &x) == 0);
	feed();
}

static void live(void)
{
	_cleanup_(registry_freep) struct registry *r = NULL;
	struct region *x;
	uint32_t t;

	forget_arrays();
	assert(registry_new(&r, &limits) == 0);
	for (uint32_t uid = 0; uid < 3; uid++) {
		assert(registry_get_tenant(r, uid, "d", &t) == 0);
		for (uint64_t client = 1; client < 20; client++)
			assert(registry_add_region(r, t, client, 1, 0, &x) == 0);
		registry_remove_region(r, x);
		assert(registry_reserve_holder(r) == 0);
	}
	assert(registry_get_tenant(r, 3, "d", &t) ==
	       0); /* whose only region goes before the others */
	assert(registry_add_region(r, t, 0, 1, 0, &x) == 0);
	registry_remove_region(r, x);
}

enum { TIMES = 1000, SMALLEST_BLOCK = 24 };

/*
 * The C library keeps some of what is freed, but not more with each time, as it would be with a
 * block forgotten.
 */
static void test_gives_back(void)
{
	size_t before;

	for (int i = 0; i < TIMES; i++)
		live();
	before = mallinfo2().uordblks;
	for (int i = 0; i < TIMES; i++)
		live();
	assert(mallinfo2().uordblks < before + (size_t)TIMES * SMALLEST_BLOCK);
}

/* A region whose place in the tree is refused, after it was there itself; or its client's place. */
static void test_no_place(void)
{
	_cleanup_(registry_freep) struct registry *r = NULL;
	struct region *x, *y = NULL;
	size_t before;
	uint32_t t;

	forget_arrays();
	assert(registry_new(&r, &limits) == 0 && registry_get_tenant(r, 1, "d", &t) == 0);
	assert(registry_add_region(r, t, 0, 1, 0, &x) == 0);
	before = mallinfo2().uordblks;
	for (unsigned int i = 0; i < TIMES; i++) {
		starve(1 + i % 3);
		assert(registry_add_region(r, t, 0, 1, UINT64_C(1) << 40, &y) == -ENOMEM && !y);
		feed();
		starve(1 + i % 3);
		assert(registry_add_region(r, t, UINT64_C(1) << 40, 1, 0, &y) == -ENOMEM && !y);
		feed();
	}
	assert(mallinfo2().uordblks < before + (size_t)TIMES * SMALLEST_BLOCK);
	assert(registry_count(r) == 1 && registry_next_id(r) == 2 && registry_find(r, 1) == x);
}

int main(void)
{
	test_none();
	test_no_place();
	test_list();
	test_too_little();
	test_used_again();
	test_users_come_and_go();
	test_gives_back();
	return 0;
}
