// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-core-numbers.c - the tree of numbers against a list that is searched from end to end:
 * numbers in a row and far apart, at both ends of what a number can be, with and without memory.
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/numbers.h"

#define MOST 700u

static struct {
	uint64_t number[MOST];
	size_t n;
} model;
static struct numbers numbers;
static unsigned int left; /* allocations that are granted before all others are refused */

void *calloc(size_t n, size_t size)
{
	void *p = left ? malloc(n * size) : NULL;

	if (!p)
		return NULL;
	left--;
	explicit_bzero(p, n * size); /* memset() after malloc() becomes calloc() */
	return p;
}

static size_t place(uint64_t number)
{
	size_t i = 0;

	while (i < model.n && model.number[i] != number)
		i++;
	return i;
}

/* What a number stands for, which is told from what others do. */
static void *meaning(uint64_t number)
{
	return (void *)(uintptr_t)(2 * number + 1);
}

static void add(uint64_t number)
{
	assert(numbers_add(&numbers, number, meaning(number)) == 0);
	model.number[model.n++] = number;
}

static void take(size_t i)
{
	numbers_remove(&numbers, model.number[i]);
	model.number[i] = model.number[--model.n];
}

static void look(uint64_t number)
{
	const uint64_t *next = NULL;

	for (size_t i = 0; i < model.n; i++)
		if (model.number[i] > number && (!next || model.number[i] < *next))
			next = &model.number[i];
	assert(numbers_find(&numbers, number) ==
	       (place(number) < model.n ? meaning(number) : NULL));
	assert(numbers_after(&numbers, number) == (next ? meaning(*next) : NULL));
	assert(numbers.n == model.n);
}

/* Near each other, at the edges of nodes, anywhere, and at the ends. */
static uint64_t any(unsigned int *seed)
{
	uint64_t far = (uint64_t)rand_r(seed) << 33 ^ (uint64_t)rand_r(seed) << 11 ^
		       (uint64_t)rand_r(seed);

	switch (rand_r(seed) % 5) {
	case 0:
		return far % 300;
	case 1:
		return (UINT64_C(1) << (6 * (far % 11))) - far / 16 % 3;
	case 2:
		return UINT64_MAX - far % 100;
	case 3:
		return (UINT64_C(1) << 40) + far % 5000;
	default:
		return far;
	}
}

static void test_like_a_list(void)
{
	unsigned int seed = 1;

	left = -1u;
	for (int i = 0; i < 40000; i++) {
		uint64_t number = any(&seed);
		bool growing = i / 2000 % 2 == 0;

		if (place(number) < model.n)
			take(place(number));
		else if (growing && model.n < MOST)
			add(number);
		else if (model.n)
			take((size_t)rand_r(&seed) % model.n);
		look(number);
		look(any(&seed));
	}
	while (model.n)
		take(model.n - 1);
	look(0);
	assert(!numbers.root);
}

/* Whichever allocation is refused: nothing has changed, and nothing is lost. */
static void test_without_memory(void)
{
	static const uint64_t list[] = { 7, 8, 64, 4096, UINT64_C(1) << 40, UINT64_MAX, 0 };

	for (size_t i = 0; i < sizeof(list) / sizeof(*list); i++) {
		int e = -ENOMEM;

		for (unsigned int granted = 0; e; granted++) {
			left = granted;
			e = numbers_add(&numbers, list[i], meaning(list[i]));
			assert(e == 0 || (e == -ENOMEM && (i || !numbers.root)));
			if (e)
				look(list[i]);
		}
		model.number[model.n++] = list[i];
		for (size_t k = 0; k <= i; k++)
			look(list[k]);
	}
	while (model.n)
		take(0);
	assert(!numbers.root);
}

int main(void)
{
	test_like_a_list();
	test_without_memory();
	return 0;
}
