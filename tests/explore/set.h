/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * set.h - a set of world keys in a given memory: of each key it keeps 63 bits, beside a place that
 * follows from the others, and a mark.
 *
 * So a key can be taken for another one that is there, and whatever follows from its world is
 * missed then; set_doubt() says how likely that is.
 */
#ifndef RDMAREG_EXPLORE_SET_H
#define RDMAREG_EXPLORE_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct key {
	uint64_t low, high;
};

struct set {
	uint64_t *slots; /* 0: free; else a key's bits and, the lowest one, its mark */
	uint64_t n_slots, n;
	uint64_t compared; /* slots of other keys that were looked at, in all */
};

enum set_answer { SET_NEW, SET_THERE, SET_FULL };

/* Empty, in @bytes at most, which it uses as it needs them. Ends the process when memory is out. */
void set_init(struct set *s, size_t bytes);
void set_deinit(struct set *s);
/* Empty again. */
void set_clear(struct set *s);

/* @ret_slot: where it is; it stays there. Full means seven eighths. */
enum set_answer set_add(struct set *s, struct key k, uint64_t *ret_slot);
void set_mark(struct set *s, uint64_t slot, bool marked);
bool set_is_marked(const struct set *s, uint64_t slot);

/* The probability that a key was taken for another one is not larger. */
double set_doubt(const struct set *s);

#endif
