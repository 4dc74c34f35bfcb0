// SPDX-License-Identifier: GPL-2.0-or-later
/* numbers.c - see numbers.h. */
#include "core/numbers.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#define BITS 6u
#define SLOTS (1u << BITS)
#define TOP \
	10u /* the level of the root, above leaves at level 0: eleven times six bits are enough */

struct numbers_node {
	uint64_t used; /* a bit for each slot that is not NULL */
	void *slot[SLOTS];
};

/* Which slot of a node at @level leads to @number. */
static unsigned int slot_of(uint64_t number, unsigned int level)
{
	return (unsigned int)(number >> (BITS * level)) & (SLOTS - 1);
}

void *numbers_find(const struct numbers *numbers, uint64_t number)
{
	const struct numbers_node *node = numbers->root;

	for (unsigned int level = TOP; node && level; level--)
		node = node->slot[slot_of(number, level)];
	return node ? node->slot[slot_of(number, 0)] : NULL;
}

/* What the smallest number from @from on stands for, of those below @node. */
static void *at_or_after(const struct numbers_node *node, unsigned int level, uint64_t from)
{
	unsigned int slot = slot_of(from, level);
	uint64_t later = slot == SLOTS - 1 ? 0 : node->used & (UINT64_MAX << (slot + 1));
	void *found = node->slot[slot];

	if (found && level)
		found = at_or_after(found, level - 1, from);
	if (found || !later)
		return found;
	found = node->slot[__builtin_ctzll(later)];
	return level ? at_or_after(found, level - 1, 0) : found;
}

void *numbers_after(const struct numbers *numbers, uint64_t number)
{
	if (number == UINT64_MAX || !numbers->root)
		return NULL;
	return at_or_after(numbers->root, TOP, number + 1);
}

/* Without @number, or the way to it as far as there is one. True: nothing is left below @node. */
static bool take_out(struct numbers_node *node, unsigned int level, uint64_t number)
{
	unsigned int slot = slot_of(number, level);

	if (level && node->slot[slot]) {
		if (!take_out(node->slot[slot], level - 1, number))
			return false;
		free(node->slot[slot]);
	}
	node->slot[slot] = NULL;
	node->used &= ~(UINT64_C(1) << slot);
	return !node->used;
}

static void take_out_all(struct numbers *numbers, uint64_t number)
{
	if (!numbers->root || !take_out(numbers->root, TOP, number))
		return;
	free(numbers->root);
	numbers->root = NULL;
}

int numbers_add(struct numbers *numbers, uint64_t number, void *what)
{
	struct numbers_node *node;

	assert(what && !numbers_find(numbers, number));
	if (!numbers->root)
		numbers->root = calloc(1, sizeof(*node));
	node = numbers->root;
	for (unsigned int level = TOP; node && level; level--) {
		void **slot = &node->slot[slot_of(number, level)];

		if (!*slot) {
			*slot = calloc(1, sizeof(*node));
			node->used |= (uint64_t)!!*slot << slot_of(number, level);
		}
		node = *slot;
	}
	if (!node) {
		take_out_all(numbers, number);
		return -ENOMEM;
	}
	node->slot[slot_of(number, 0)] = what;
	node->used |= UINT64_C(1) << slot_of(number, 0);
	numbers->n++;
	return 0;
}

void numbers_remove(struct numbers *numbers, uint64_t number)
{
	assert(numbers_find(numbers, number));
	take_out_all(numbers, number);
	numbers->n--;
}
