// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-keeper-warm-sample.c - where a block is looked at, and when two looks differ.
 */
#undef NDEBUG
#include <assert.h>
#include <stddef.h>
#include <string.h>

#include "keeper/warm/sample.h"

static char bytes[WARM_SAMPLE_BYTES];

static void test_places(void)
{
	static const struct {
		uint64_t length;
		unsigned int places;
		uint64_t second, last; /* where they are, in pages */
	} table[] = {
		{ 1, 1, 0, 0 },
		{ 4096, 1, 0, 0 },
		{ 4097, 2, 1, 1 },
		{ 8 * 4096, 8, 1, 7 },
		{ 16 * 4096, 16, 1, 15 },
		{ 17 * 4096, 16, 1, 15 },
		{ 511 * 4096, 16, 31, 479 },
		{ 512 * 4096, 16, 32, 480 },
		{ 65535 * 4096, 16, 4095, 61439 },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		struct warm_sample s;
		uint64_t before = 0;

		warm_sample_begin(&s, table[i].length);
		assert(warm_sample_places(&s) == table[i].places && warm_sample_place(&s, 0) == 0);
		if (table[i].places > 1)
			assert(warm_sample_place(&s, 1) == table[i].second * WARM_SAMPLE_BYTES);
		assert(warm_sample_place(&s, table[i].places - 1) ==
		       table[i].last * WARM_SAMPLE_BYTES);
		for (unsigned int n = 1; n < table[i].places; n++) {
			assert(warm_sample_place(&s, n) > before);
			before = warm_sample_place(&s, n);
		}
		assert(before < table[i].length);
	}
}

static struct warm_sample sample_of(uint64_t length, unsigned int changed)
{
	struct warm_sample s;

	warm_sample_begin(&s, length);
	for (unsigned int i = 0; i < warm_sample_places(&s); i++) {
		memset(bytes, i < changed ? 'n' : 'o', sizeof(bytes));
		warm_sample_note(&s, i, bytes);
	}
	return s;
}

static void test_differs(void)
{
	const struct warm_sample none = { 0 }, before = sample_of(1 << 21, 0),
				 shorter = sample_of(1 << 20, 16);

	for (unsigned int changed = 0; changed <= 16; changed++) {
		struct warm_sample now = sample_of(1 << 21, changed);

		assert(warm_sample_differs(&before, &now, 3, 4) == (changed >= 12));
		assert(warm_sample_differs(&now, &before, 3, 4) == (changed >= 12));
		now = sample_of(4 * 4096, changed);
		struct warm_sample few = sample_of(4 * 4096, 0);

		assert(warm_sample_differs(&few, &now, 3, 4) == (changed >= 3));
	}
	assert(!warm_sample_differs(&none, &none, 3, 4));
	assert(!warm_sample_differs(&none, &before, 3, 4) &&
	       !warm_sample_differs(&before, &none, 3, 4));
	assert(!warm_sample_differs(&before, &shorter, 3, 4));
}

/* Wherever in a page something changes, and however little, it is nearly always seen. */
static void test_sum(void)
{
	struct warm_sample a, b;
	unsigned int unseen = 0;

	warm_sample_begin(&a, 1);
	warm_sample_begin(&b, 1);
	memset(bytes, 0, sizeof(bytes));
	warm_sample_note(&a, 0, bytes);
	for (size_t at = 0; at < sizeof(bytes); at++)
		for (int bit = 1; bit < 256; bit *= 2) {
			bytes[at] = (char)bit;
			warm_sample_note(&b, 0, bytes);
			unseen += a.sum[0] == b.sum[0];
			bytes[at] = 0;
		}
	assert(unseen < sizeof(bytes) * 8 / 64);
}

int main(void)
{
	test_places();
	test_differs();
	test_sum();
	return 0;
}
