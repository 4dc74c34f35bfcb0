/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * answer.h - an answer of rdmaregd that is one list, kept whole and read entry by entry. What
 * always holds: what is behind an entry that makes no sense is unknown, so the reading ends there,
 * and fails from then on.
 */
#ifndef RDMAREG_CLIENT_ANSWER_H
#define RDMAREG_CLIENT_ANSWER_H

#include <stdbool.h>
#include <systemd/sd-bus.h>

struct answer {
	sd_bus_message *message; /* positioned inside its array */
	bool broken;
};

/*
 * 1 with the next entry read into @into, 0 at the end. @read: the entry at the message's present
 * position; negative: it makes no sense. @doing: "listing keepers", for the failure (-EBADMSG).
 */
int answer_next(struct answer *a, int (*read)(sd_bus_message *m, void *into), void *into,
		const char *doing);

#endif
