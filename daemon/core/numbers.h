/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * numbers.h - which pointer a number stands for: numbers that were given out in a row, of which
 * some, or most, have gone again.
 *
 * A tree in which each node takes six bits of the number. Of half a million numbers in a row all
 * nodes but the leaves fit into the processor's nearest caches, so finding one goes to memory
 * twice: for the leaf, and for what the number stands for. Nothing is ever moved, so no addition
 * pays for those before it.
 *
 * What always holds: a node has something below it; nothing but numbers_add() allocates.
 */
#ifndef RDMAREG_CORE_NUMBERS_H
#define RDMAREG_CORE_NUMBERS_H

#include <stddef.h>
#include <stdint.h>

struct numbers_node;

/* Zero-initialized is empty. */
struct numbers {
	struct numbers_node *root;
	size_t n;
};

/* NULL: there is none. */
void *numbers_find(const struct numbers *numbers, uint64_t number);
/* What the smallest number above @number stands for, or NULL. */
void *numbers_after(const struct numbers *numbers, uint64_t number);
/* @number is not there yet. Returns 0, or -ENOMEM, and then nothing has changed. */
int numbers_add(struct numbers *numbers, uint64_t number, void *what);
/* @number is there. */
void numbers_remove(struct numbers *numbers, uint64_t number);

#endif
