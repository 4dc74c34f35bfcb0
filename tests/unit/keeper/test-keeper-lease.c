// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-keeper-lease.c - how often a lease that was refused is tried for again.
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>

#include "keeper/region/lease-pause.h"

/* The longest of @n pauses in a row, after which @ret_sum has passed. */
static uint64_t longest(int error, int n, uint64_t *ret_sum)
{
	uint64_t pause = 0, most = 0;

	for (*ret_sum = 0; n--; *ret_sum += pause) {
		pause = kregion_lease_pause_usec(pause, error);
		most = pause > most ? pause : most;
	}
	return most;
}

/*
 * Where takers never stop, the lease can be had for moments only, and other regions of the file
 * look for them, too: whoever looks every half a minute has none for ever.
 */
static void test_takers(void)
{
	static const int errors[] = { -EAGAIN, -EBUSY };
	uint64_t sum;

	for (int i = 0; i < 2; i++) {
		assert(longest(errors[i], 100, &sum) == USEC_PER_SEC);
		longest(errors[i], 4, &sum);
		assert(sum <= 2 * USEC_PER_SEC);
		/* the first try is not at once: who took blocks may be in the same call */
		assert(kregion_lease_pause_usec(0, errors[i]) >= 50 * USEC_PER_MSEC);
	}
}

/* A program that refuses opens of the file is not asked all the time. */
static void test_refusal(void)
{
	static const int errors[] = { -EPERM, -ETXTBSY, -EMFILE };
	uint64_t sum;

	for (int i = 0; i < 3; i++) {
		assert(longest(errors[i], 100, &sum) == 30 * USEC_PER_SEC);
		assert(sum > 2000 * USEC_PER_SEC);
		assert(kregion_lease_pause_usec(0, errors[i]) == USEC_PER_SEC / 2);
	}
}

/* What is in the way may be another thing the next time. */
static void test_change(void)
{
	assert(kregion_lease_pause_usec(30 * USEC_PER_SEC, -EAGAIN) == USEC_PER_SEC);
	assert(kregion_lease_pause_usec(USEC_PER_SEC, -EPERM) == 2 * USEC_PER_SEC);
}

int main(void)
{
	test_takers();
	test_refusal();
	test_change();
	return 0;
}
