// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-keeper-hca-faults.c - which of the kernel's counters hca.c takes for a memory region's, with
 * libibverbs and the kernel's lists played.
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>

#include "keeper/hca/counters.h"
#include "keeper/hca/hca.h"
#include "tests/fakes/verbs.h"

#define ADDRESS UINT64_C(0x7f0000000000)
#define LENGTH 8192

/* --- the kernel's lists: the number of each region is that of its place, from 1 */

struct counters {
	int unused;
};

static struct counters only_one;
static struct {
	uint32_t domain;
	uint64_t length;
} list[8];
static uint32_t n_listed;

int counters_new(struct counters **ret, uint32_t device)
{
	(void)device;
	*ret = &only_one;
	return 0;
}

struct counters *counters_free(struct counters *c)
{
	(void)c;
	return NULL;
}

int counters_find_domain(struct counters *c, uint32_t pid, uint32_t *ret_number)
{
	(void)c, (void)pid;
	*ret_number = 99 + (uint32_t)fake.pds;
	return 0;
}

int counters_find(struct counters *c, const struct counters_region *wanted, uint32_t *ret_number)
{
	(void)c;
	for (uint32_t i = n_listed; i > 0; i--)
		if (list[i - 1].domain == wanted->domain && list[i - 1].length == wanted->length) {
			*ret_number = i;
			return 0;
		}
	return -ENOENT;
}

int counters_read(struct counters *c, uint32_t number, uint64_t *ret_faults)
{
	(void)c;
	*ret_faults = number;
	return 0;
}

static void enlist(const struct ibv_mr *mr)
{
	list[n_listed].domain = mr->pd->handle;
	list[n_listed++].length = mr->length;
}

/* --- the test */

static struct hca *hca;
static struct hca_mr *others;

/* Another thread's whole registration. */
static void register_another(const struct ibv_mr *mr)
{
	enlist(mr);
	fake.registered = enlist;
	assert(hca_register(hca, ADDRESS + LENGTH, LENGTH, true, 0, &others) == 0);
}

/*
 * Two regions of one length, registered at the same time: each has its own counters, whoever looks
 * for them first.
 */
static void test_at_once(void)
{
	struct hca_mr *mine;

	verbs_fake_begin(true);
	fake.counts = true;
	assert(hca_new(&hca, fake.context, 1) == 0);
	fake.registered = register_another;
	assert(hca_register(hca, ADDRESS, LENGTH, true, 0, &mine) == 0);
	assert(n_listed == 2);
	assert(hca_mr_counter(others) == 2);
	assert(hca_mr_counter(mine) == 1);
	assert(hca_deregister(mine) == 0);
	assert(hca_deregister(others) == 0);
	hca_free(hca);
	verbs_fake_end();
}

int main(void)
{
	test_at_once();
	return 0;
}
