/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * intake-tokens.h - files of ours that stand for the descriptors that messages bring, and what is
 * behind them until it is claimed.
 *
 * What always holds: the first descriptor of each message has the same token, the second another
 * one, and so on. Which message is meant its sender and serial number say. What nobody claims is
 * closed by a thread.
 */
#ifndef RDMAREG_BUS_INTAKE_TOKENS_H
#define RDMAREG_BUS_INTAKE_TOKENS_H

#include <stdint.h>

#include "bus/intake.h"
#include "bus/intake-header.h"

struct offload;
struct tokens;

int tokens_new(struct tokens **ret, struct offload *offload);
struct tokens *tokens_free(struct tokens *t);

/*
 * In the place of each of the @n descriptors of a message, which are taken over, @fds has what
 * stands for it: its token; or, where it is -1, what stands for @refusal. It is not closed by who
 * gets it.
 */
void tokens_exchange(struct tokens *t, const struct header *h, uint32_t uid,
		     enum intake_refusal refusal, int *fds, unsigned int n);

/* How many descriptors are behind tokens, claimed ones included. */
uint32_t tokens_brought(const struct tokens *t);

/* As intake_claim(). */
int tokens_claim(struct tokens *t, int token, const char *sender, uint64_t serial,
		 enum intake_refusal *ret_why);

/* sd-bus has none that could be claimed still. */
void tokens_forget(struct tokens *t);

#endif
