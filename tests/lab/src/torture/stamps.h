/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stamps.h - the concurrent form: peers write and read pages of a region while programs truncate, punch
 * and write its file, and others use the blocks that became free; with actors, while the product is
 * stopped, killed and upgraded.
 *
 * What always holds: a word of the file is zero or a stamp, which says of which page it is and when it
 * was written. So whoever reads one, by whatever way, knows whether it may be there: one of its own
 * place. In other files there is never one.
 */
#ifndef STAMPS_H
#define STAMPS_H

#include "actors.h"

struct stamps_request {
	const char *filesystem; /* its name */
	const char *folder;
	const char *network; /* of the peers */
	const struct abilities *can;
	uint64_t seed;
	unsigned int seconds;
	unsigned int peers;
	struct actors actors; /* command NULL: none */
};

/* Prints what was done. 0: every word was right; 1: not, and which; 2: it could not begin. */
int stamps_run(const struct stamps_request *q);

#endif
